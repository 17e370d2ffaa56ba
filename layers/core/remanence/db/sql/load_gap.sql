-- load_gap: claims an archive, and reads passages that lack vectors; see the function.
-- takes:   call jsonb {org_id, archive_id, claim, hold_ms, page_limit}
-- returns: 1 row: jsonb {outcome: ok | none, model, passages [{id, version, text}]}
-- uses:    archive_gaps_pkey, passages_archive_created_idx, passage_vectors_pkey
select remanence.gap_load_v1(%(call)s::jsonb)
