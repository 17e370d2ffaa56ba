-- load_conversation: a conversation, or an agent's default one.
-- takes:   agent_id text | null (any); conversation_id text (null: the agent's default)
-- returns: 0..1 row: conversation jsonb {see conversation_view_v1}
-- uses:    conversations_pkey, conversations_default_idx, messages_pkey
select remanence.conversation_view_v1(conv) as conversation
from remanence.conversations as conv
where conv.org_id = remanence.current_org()
    and (%(agent_id)s::text is null or conv.agent_id = %(agent_id)s::text)
    and case when %(conversation_id)s::text is null then conv.is_default
        else conv.id = %(conversation_id)s::text end
limit 1
