-- list_passage_versions: one page of what a passage was, the newest version first.
-- takes:   passage_id text, before integer | null (versions below it), page_limit integer
-- returns: 0..page_limit rows: version integer, at timestamptz, passage jsonb | null (deleted),
--          step_id text, tool_call_id text, author jsonb | null
-- uses:    passages_pkey, passage_versions_pkey
with known as (
    select passage.version, passage.updated_at as at,
        remanence.passage_row_v1(passage) as passage, passage.step_id, passage.tool_call_id,
        passage.author
    from remanence.passages as passage
    where passage.id = %(passage_id)s::text and passage.org_id = remanence.current_org()
    union all
    select past.version, past.from_at, past.passage, past.step_id, past.tool_call_id, past.author
    from remanence.passage_versions as past
    where past.passage_id = %(passage_id)s::text and past.org_id = remanence.current_org()
)
select known.version, known.at, known.passage, known.step_id, known.tool_call_id, known.author
from known
where %(before)s::integer is null or known.version < %(before)s::integer
order by known.version desc
limit %(page_limit)s::integer
