-- list_archives: one page of the archives that pass every filter.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          agent_id (attached to this one), archive_name text | null
-- returns: 0..page_limit rows: archive jsonb {see archive_view_v1}
-- uses:    archives_org_created_idx, archives_agents_pkey
with matching as not materialized (
    select archive.id, archive.created_at
    from remanence.archives as archive
    where archive.org_id = remanence.current_org()
        and (%(archive_name)s::text is null or archive.name = %(archive_name)s::text)
        and (%(agent_id)s::text is null or exists (
            select from remanence.archives_agents as link
            where link.archive_id = archive.id and link.agent_id = %(agent_id)s::text))
),
bounded as not materialized (
    select matching.id, matching.created_at
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.archives as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.archives as upper where upper.id = %(upper_id)s::text))
),
page as (
    (select bounded.id, bounded.created_at from bounded
     where %(scan_up)s::boolean
     order by bounded.created_at, bounded.id limit %(page_limit)s::integer)
    union all
    (select bounded.id, bounded.created_at from bounded
     where not %(scan_up)s::boolean
     order by bounded.created_at desc, bounded.id desc limit %(page_limit)s::integer)
)
select remanence.archive_view_v1(archive) as archive
from page
join remanence.archives as archive on archive.id = page.id
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
