-- list_all_messages: one page of the messages of all agents that a client is shown, by time.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          conversation_id text | null (all); message_types text[] | null; speech_tool text | null
-- returns: 0..page_limit rows: message jsonb {row of messages}
-- uses:    agents_org_created_idx, messages_agent_created_idx, messages_id_unique
--
-- The page of each agent is read by its index, and the best of them are the page of all: an index
-- over all messages by time would cost every step a write for a list that is rarely asked for.
with scope as materialized (
    select agent.id
    from remanence.agents as agent
    where agent.org_id = remanence.current_org()
        and (%(conversation_id)s::text is null or agent.id = (
            select conv.agent_id from remanence.conversations as conv
            where conv.id = %(conversation_id)s::text))
),
lower_bound as (
    select msg.created_at, msg.seq, msg.id
    from remanence.messages as msg where msg.id = %(lower_id)s::text
),
upper_bound as (
    select msg.created_at, msg.seq, msg.id
    from remanence.messages as msg where msg.id = %(upper_id)s::text
),
shown as not materialized (
    select msg.*
    from remanence.messages as msg
    cross join lateral (
        select remanence.shown_types_v1(msg.role, msg.parts, %(speech_tool)s::text) as types
    ) as wire
    where msg.org_id = remanence.current_org()
        and not (msg.role = 'system' and msg.step_id is not null)  -- notes to the model
        and (%(conversation_id)s::text is null
            or msg.conversation_id = %(conversation_id)s::text)
        and wire.types <> '{}'
        and (%(message_types)s::text[] is null or wire.types && %(message_types)s::text[])
        and (%(lower_id)s::text is null or (msg.created_at, msg.seq, msg.id) > (
            select bound.created_at, bound.seq, bound.id from lower_bound as bound))
        and (%(upper_id)s::text is null or (msg.created_at, msg.seq, msg.id) < (
            select bound.created_at, bound.seq, bound.id from upper_bound as bound))
),
page as (
    (select oldest.* from scope
     cross join lateral (
        select shown.* from shown where shown.agent_id = scope.id and %(scan_up)s::boolean
        order by shown.created_at, shown.seq, shown.id limit %(page_limit)s::integer) as oldest
     order by oldest.created_at, oldest.seq, oldest.id limit %(page_limit)s::integer)
    union all
    (select newest.* from scope
     cross join lateral (
        select shown.* from shown where shown.agent_id = scope.id and not %(scan_up)s::boolean
        order by shown.created_at desc, shown.seq desc, shown.id desc
        limit %(page_limit)s::integer) as newest
     order by newest.created_at desc, newest.seq desc, newest.id desc
     limit %(page_limit)s::integer)
)
select to_jsonb(page) - 'lexemes' as message
from page
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.seq end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.seq desc, page.id desc
