-- commit_compaction: moves the window past what a summary now stands for.
-- takes:   call jsonb, see remanence.compact_commit_v2
-- returns: 1 row: jsonb {outcome: ok | busy | moved}
-- uses:    conversations_pkey, summaries_pkey
select remanence.compact_commit_v2(%(call)s::jsonb)
