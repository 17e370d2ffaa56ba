-- write_passage: makes a passage what it is to be, if it is what was read.
-- takes:   call jsonb {org_id, author, passage_id, base_version, passage, embedding, ...}
-- returns: 1 row: jsonb {outcome: ok | stale | not_found, version, passage}
-- uses:    passages_pkey, passage_versions_pkey
select remanence.passage_write_v1(%(call)s::jsonb)
