-- cancel_runs: stops unfinished runs, at once or at their worker's next look.
-- takes:   call jsonb {org_id, agent_id, conversation_id, run_ids}; what is null does not filter
-- returns: 1 row: jsonb [{id, status}]
-- uses:    runs_unfinished_idx, conversations_pkey
select remanence.run_cancel_v1(%(call)s::jsonb)
