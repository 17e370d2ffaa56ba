-- list_passages: one page of the passages of an agent's archives.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          agent_id text, search text | null (a part of the text, any case)
-- returns: 0..page_limit rows: passage jsonb {row of passages, embedding: of its archive}
-- uses:    archives_agents_pkey, passages_archive_created_idx, passages_pkey
with matching as not materialized (
    select passage.*, archive.embedding
    from remanence.archives_agents as link
    join remanence.archives as archive on archive.id = link.archive_id
    join remanence.passages as passage on passage.archive_id = archive.id
    where link.org_id = remanence.current_org()
        and link.agent_id = %(agent_id)s::text
        and (%(search)s::text is null
            or position(lower(%(search)s::text) in lower(passage.text)) > 0)
),
bounded as not materialized (
    select matching.*
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.passages as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.passages as upper where upper.id = %(upper_id)s::text))
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
select to_jsonb(page) - 'lexemes' as passage
from page
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
