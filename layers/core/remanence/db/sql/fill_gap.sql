-- fill_gap: keeps vectors of passages; see the function.
-- takes:   call jsonb {org_id, archive_id, claim, hold_ms, model, cursor_id, vectors, refused}
-- returns: 1 row: null
-- uses:    passages_pkey, passage_vectors_pkey, archive_gaps_pkey
select remanence.gap_fill_v1(%(call)s::jsonb)
