-- insert_conversation: a new conversation of an agent; the same id again gives what is there.
-- takes:   id, agent_id, summary text; extras jsonb
-- returns: 1 row: conversation jsonb {see conversation_view_v1} | 0 rows: there is no such agent
-- uses:    agents_pkey, conversations_pkey
insert into remanence.conversations as conv (id, org_id, agent_id, summary, extras)
select %(id)s::text, agent.org_id, agent.id, %(summary)s::text, %(extras)s::jsonb
from remanence.agents as agent
where agent.id = %(agent_id)s::text and agent.org_id = remanence.current_org()
on conflict (id) do update set updated_at = conv.updated_at
returning remanence.conversation_view_v1(conv) as conversation
