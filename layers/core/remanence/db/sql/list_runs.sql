-- list_runs: one page of the runs that pass every filter.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          agent_ids, statuses text[]; background, active boolean; conversation_id,
--          stop_reason text
-- returns: 0..page_limit rows: run jsonb {row of runs, without input}, is_default boolean (its
--          conversation is the agent's default)
-- uses:    runs_org_created_idx, runs_agent_created_idx, runs_ord_unique
with matching as not materialized (
    select run.*
    from remanence.runs as run
    where run.org_id = remanence.current_org()
        and (%(agent_ids)s::text[] is null or run.agent_id = any (%(agent_ids)s::text[]))
        and (%(statuses)s::text[] is null or run.status = any (%(statuses)s::text[]))
        and (%(background)s::boolean is null or run.background = %(background)s::boolean)
        and (not %(active)s::boolean or run.status in ('created', 'running'))
        and (%(conversation_id)s::text is null
            or run.conversation_id = %(conversation_id)s::text)
        and (%(stop_reason)s::text is null or run.stop_reason = %(stop_reason)s::text)
),
bounded as not materialized (
    select matching.*
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.runs as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.runs as upper where upper.id = %(upper_id)s::text))
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
select to_jsonb(page) - 'input' as run, conv.is_default
from page
join remanence.conversations as conv on conv.id = page.conversation_id
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
