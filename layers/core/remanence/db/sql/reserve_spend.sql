-- reserve_spend: sets aside what a model call may cost, or says which cap has no room for it.
-- takes:   call jsonb, see remanence.spend_reserve_v1
-- returns: 1 row: jsonb {outcome: ok | refused | unpriced, ...}
-- uses:    organizations_pkey, agents_pkey, usage_daily_pkey, usage_daily_org_day_idx,
--          spend_reservations_org_agent_idx, steps_no_unique
select remanence.spend_reserve_v1(%(call)s::jsonb)
