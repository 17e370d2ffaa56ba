-- lock_step: holds the blocks of a step's agent until its transaction ends, and reads them.
-- takes:   call jsonb {org_id, conversation_id, run_id, step_no, lease_token, hold_ms}
-- returns: 1 row: jsonb {blocks [row ...] | null: the step is committed already}
-- uses:    conversations_pkey, agents_blocks_pkey, blocks_pkey, steps_no_unique
select remanence.step_lock_v1(%(call)s::jsonb)
