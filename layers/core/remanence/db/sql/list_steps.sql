-- list_steps: one page of the steps that pass every filter.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          run_id, agent_id, model (handle, or its name), feedback text; has_feedback boolean;
--          started_from, started_to timestamptz (both inclusive); tags text[]
-- returns: 0..page_limit rows: step jsonb {row of steps, without receipt}
-- uses:    steps_org_created_idx, steps_agent_created_idx, steps_no_unique
with matching as not materialized (
    select step.*
    from remanence.steps as step
    where step.org_id = remanence.current_org()
        and (%(run_id)s::text is null or step.run_id = %(run_id)s::text)
        and (%(agent_id)s::text is null or step.agent_id = %(agent_id)s::text)
        and (%(model)s::text is null or step.model = %(model)s::text
            or substr(step.model, strpos(step.model, '/') + 1) = %(model)s::text)
        and (%(feedback)s::text is null or step.feedback = %(feedback)s::text)
        and (%(has_feedback)s::boolean is null
            or (step.feedback is not null) = %(has_feedback)s::boolean)
        and (%(started_from)s::timestamptz is null
            or step.created_at >= %(started_from)s::timestamptz)
        and (%(started_to)s::timestamptz is null
            or step.created_at <= %(started_to)s::timestamptz)
        and (%(tags)s::text[] is null or step.tags && %(tags)s::text[])
),
bounded as not materialized (
    select matching.*
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.steps as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.steps as upper where upper.id = %(upper_id)s::text))
),
page as (
    (select bounded.* from bounded
     where %(scan_up)s::boolean
     order by bounded.created_at, bounded.id limit %(page_limit)s::integer)
    union all
    (select bounded.* from bounded
     where not %(scan_up)s::boolean
     order by bounded.created_at desc, bounded.id desc limit %(page_limit)s::integer)
)
select to_jsonb(page) - 'receipt' as step
from page
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
