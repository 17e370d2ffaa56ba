-- find_passage_undo: reads what it takes to undo a version of a passage.
-- takes:   call jsonb {org_id, passage_id, version}
-- returns: 1 row: jsonb {outcome: ok | not_found, version, embedding, passage, undone, before, after}
-- uses:    passages_pkey, passage_versions_pkey
select remanence.passage_undo_v1(%(call)s::jsonb)
