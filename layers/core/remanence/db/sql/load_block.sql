-- load_block: a block, by its id.
-- takes:   block_id text
-- returns: 0..1 row: block jsonb {row of blocks}
-- uses:    blocks_pkey
select to_jsonb(block) as block
from remanence.blocks as block
where block.id = %(block_id)s::text and block.org_id = remanence.current_org()
