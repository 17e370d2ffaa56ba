-- list_block_versions: one page of what a block was, the newest version first.
-- takes:   block_id text, before integer | null (versions below it), page_limit integer
-- returns: 0..page_limit rows: version integer, at timestamptz, label, value text,
--          limit_chars integer, description text | null, read_only boolean, step_id,
--          tool_call_id text, author jsonb | null
-- uses:    blocks_pkey, block_versions_pkey
select past.version, past.created_at as at, coalesce(past.label, block.label) as label, past.value,
    coalesce(past."limit", block."limit") as limit_chars,
    case when past.label is null then block.description else past.description end as description,
    coalesce(past.read_only, block.read_only) as read_only, past.step_id, past.tool_call_id,
    past.author
from remanence.block_versions as past
join remanence.blocks as block on block.id = past.block_id
where past.block_id = %(block_id)s::text
    and past.org_id = remanence.current_org()
    and (%(before)s::integer is null or past.version < %(before)s::integer)
order by past.version desc
limit %(page_limit)s::integer
