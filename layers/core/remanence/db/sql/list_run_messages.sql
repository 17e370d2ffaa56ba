-- list_run_messages: one page of the messages of a run, or of one step, that a client is shown.
-- takes:   run_id text, step_id text (one of them; the other null); lower_id, upper_id text;
--          ascending, scan_up boolean; page_limit integer; speech_tool text | null
-- returns: 0..page_limit rows: message jsonb {row of messages}
-- uses:    messages_run_idx, steps_pkey, messages_id_unique
with shown as not materialized (
    select msg.*
    from remanence.messages as msg
    where msg.org_id = remanence.current_org()
        and msg.run_id = coalesce(%(run_id)s::text, (
            select step.run_id from remanence.steps as step where step.id = %(step_id)s::text))
        and (%(step_id)s::text is null or msg.step_id = %(step_id)s::text)
        and not (msg.role = 'system' and msg.step_id is not null)  -- notes to the model
        and remanence.shown_types_v1(msg.role, msg.parts, %(speech_tool)s::text) <> '{}'
        and (%(lower_id)s::text is null or msg.seq > (
            select lower.seq from remanence.messages as lower
            where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or msg.seq < (
            select upper.seq from remanence.messages as upper
            where upper.id = %(upper_id)s::text))
),
page as (
    (select shown.* from shown
     where %(scan_up)s::boolean
     order by shown.seq limit %(page_limit)s::integer)
    union all
    (select shown.* from shown
     where not %(scan_up)s::boolean
     order by shown.seq desc limit %(page_limit)s::integer)
)
select to_jsonb(page) - 'lexemes' as message
from page
order by case when %(ascending)s::boolean then page.seq end, page.seq desc
