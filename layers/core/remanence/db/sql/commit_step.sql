-- commit_step: writes one step, whole or not at all, under the fence of its claim.
-- takes:   call jsonb, see remanence.step_commit_v2
-- returns: 1 row: jsonb {outcome: ok | conflict | lost, ...}
-- uses:    conversations_pkey, steps_no_unique, messages_pkey, blocks_pkey
select remanence.step_commit_v2(%(call)s::jsonb)
