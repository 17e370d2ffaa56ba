-- find_step_changes: reads what a step or a run changed in memory.
-- takes:   call jsonb {org_id, step_id | run_id}
-- returns: 1 row: jsonb {outcome: ok | not_found | conflict, agent_id, blocks, detached, passages}
-- uses:    steps_pkey, steps_no_unique, block_versions_pkey, passages_step_idx, passage_versions_step_idx
select remanence.step_changes_v1(%(call)s::jsonb)
