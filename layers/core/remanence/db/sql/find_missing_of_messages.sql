-- find_missing_of_messages: why a stretch of history is empty, if not for lack of messages.
-- takes:   agent_id text | null (any); conversation_id text (null: the agent's default); ids
--          text[] (cursors)
-- returns: 0..1 row: kind text (agent, conversation or message), id text, of what does not exist
-- uses:    conversations_default_idx, messages_id_unique
with thread as (
    select conv.id
    from remanence.conversations as conv
    where (%(agent_id)s::text is null or conv.agent_id = %(agent_id)s::text)
        and case when %(conversation_id)s::text is null then conv.is_default
            else conv.id = %(conversation_id)s::text end
),
missing as (
    select 1 as place, 'agent' as kind, %(agent_id)s::text as id
    where %(agent_id)s::text is not null and not exists (
        select from remanence.agents as agent where agent.id = %(agent_id)s::text)
    union all
    select 2, 'conversation', %(conversation_id)s::text
    where not exists (select from thread)
    union all
    select 3, 'message', cursor.id
    from unnest(%(ids)s::text[]) as cursor (id)
    where not exists (
        select from thread
        join remanence.messages as msg on msg.conversation_id = thread.id
        where msg.id = cursor.id)
)
select missing.kind, missing.id
from missing
order by missing.place
limit 1
