-- delete_block: deletes a block, and what holds its words; agents it is attached to lose it.
-- takes:   call jsonb {org_id, block_id}
-- returns: 1 row: jsonb {outcome: ok | not_found}
-- uses:    blocks_pkey, agents_blocks_block_idx, snapshots_blocks_block_idx
select remanence.block_delete_v1(%(call)s::jsonb)
