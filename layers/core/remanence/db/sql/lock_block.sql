-- lock_block: locks a block for an edit in the same transaction, and reads what it is made from.
-- takes:   call jsonb {org_id, block_id | agent_id and label, versions, hold_ms}
-- returns: 1 row: jsonb {outcome: ok | not_found, block, versions}
-- uses:    blocks_pkey, block_versions_pkey, agents_blocks_label_unique
select remanence.block_lock_v1(%(call)s::jsonb)
