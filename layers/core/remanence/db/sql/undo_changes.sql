-- undo_changes: writes what undoes changes of memory, all of it or nothing.
-- takes:   call jsonb {org_id, agent_id, block_versions, detach, attach, blocks, passages}
-- returns: 1 row: jsonb {outcome: ok | stale | not_found | conflict | limit}
-- uses:    blocks_pkey, agents_pkey, agents_blocks_pkey, passages_pkey
select remanence.changes_undo_v1(%(call)s::jsonb)
