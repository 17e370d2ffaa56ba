-- update_block: changes a block, and keeps the value it had.
-- takes:   call jsonb {org_id, block_id | agent_id and label, set, author, only_version}
-- returns: 1 row: jsonb {outcome: ok | not_found | conflict | limit | stale, block}
-- uses:    blocks_pkey, agents_blocks_label_unique
select remanence.block_update_v1(%(call)s::jsonb)
