-- start_run: stores a run with its input and claims its conversation, reading all a step needs.
-- takes:   call jsonb {org_id, agent_id, conversation_id, queued, lease_token, lease_ms, run}
-- returns: 1 row: jsonb {outcome: ok | queued | exists | mismatch | busy | not_found, ...}
-- uses:    conversations_default_idx, runs_unfinished_idx, runs_idempotency_idx, messages_pkey
select remanence.run_start_v1(%(call)s::jsonb)
