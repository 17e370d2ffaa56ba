-- list_full_blocks: nearly full blocks that the sweep may make smaller, over all organizations; ids
-- only.
-- takes:   limit integer, share real (of the block's limit, 0..1)
-- returns: 1 row: jsonb [{org_id, agent_id, block_id}]
-- uses:    agents_archive_blocks_idx, agents_blocks_pkey, blocks_pkey
select coalesce(jsonb_agg(to_jsonb(due)), '[]')
from remanence.full_blocks_v1(%(limit)s::integer, %(share)s::real) as due
