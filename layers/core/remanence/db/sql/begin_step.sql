-- begin_step: claims a conversation for the next step of its oldest unfinished run.
-- takes:   call jsonb {org_id, conversation_id, lease_token, lease_ms}
-- returns: 1 row: jsonb {outcome: ok | idle | busy | not_found, ...}
-- uses:    conversations_pkey, runs_unfinished_idx, messages_pkey
select remanence.step_begin_v1(%(call)s::jsonb)
