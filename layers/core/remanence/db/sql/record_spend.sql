-- record_spend: enters a model call into the ledger that belongs to no step.
-- takes:   call jsonb, see remanence.spend_record_v1
-- returns: 1 row: null
-- uses:    usage_daily_pkey, spend_reservations_pkey
select remanence.spend_record_v1(%(call)s::jsonb)
