-- list_messages: a stretch of a conversation's history, oldest first, of what a client is shown.
-- takes:   agent_id text | null (any); conversation_id text (null: the agent's default); before_id,
--          after_id text (older, newer than this message); newest boolean (from which end page_limit
--          counts); page_limit integer; message_types text[] | null; speech_tool text | null
-- returns: 0..page_limit rows: message jsonb {row of messages}
-- uses:    conversations_default_idx, messages_pkey, messages_id_unique
with thread as materialized (  -- one id, so that the index gives the messages in their order
    select conv.id
    from remanence.conversations as conv
    where (%(agent_id)s::text is null or conv.agent_id = %(agent_id)s::text)
        and case when %(conversation_id)s::text is null then conv.is_default
            else conv.id = %(conversation_id)s::text end
),
shown as not materialized (
    select msg.*
    from remanence.messages as msg
    cross join lateral (
        select remanence.shown_types_v1(msg.role, msg.parts, %(speech_tool)s::text) as types
    ) as wire
    where msg.conversation_id = (select thread.id from thread)
        and not (msg.role = 'system' and msg.step_id is not null)  -- notes to the model
        and wire.types <> '{}'
        and (%(message_types)s::text[] is null or wire.types && %(message_types)s::text[])
        and (%(before_id)s::text is null or msg.seq < (
            select upper.seq from remanence.messages as upper
            where upper.id = %(before_id)s::text and upper.conversation_id = msg.conversation_id))
        and (%(after_id)s::text is null or msg.seq > (
            select lower.seq from remanence.messages as lower
            where lower.id = %(after_id)s::text and lower.conversation_id = msg.conversation_id))
),
page as (
    (select shown.* from shown
     where not %(newest)s::boolean
     order by shown.seq limit %(page_limit)s::integer)
    union all
    (select shown.* from shown
     where %(newest)s::boolean
     order by shown.seq desc limit %(page_limit)s::integer)
)
select to_jsonb(page) - 'lexemes' as message
from page
order by page.seq
