-- claim_facts: takes on the next span of a conversation that is to be read for facts.
-- takes:   call jsonb, see remanence.facts_claim_v1
-- returns: 1 row: jsonb {outcome: ok | none}
-- uses:    fact_progress_pkey, messages_pkey
select remanence.facts_claim_v1(%(call)s::jsonb)
