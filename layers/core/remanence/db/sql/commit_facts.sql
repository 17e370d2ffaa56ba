-- commit_facts: writes the facts of a span, unless somebody else did, or others changed meanwhile.
-- takes:   call jsonb, see remanence.facts_commit_v1
-- returns: 1 row: jsonb {outcome: ok | done | stale}
-- uses:    fact_progress_pkey, passages_pkey, facts_pkey, fact_sources_pkey
select remanence.facts_commit_v1(%(call)s::jsonb)
