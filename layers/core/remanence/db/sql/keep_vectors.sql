-- keep_vectors: remembers vectors of texts; see the function.
-- takes:   call jsonb {org_id, model, vectors {hash: [number]}, most}
-- returns: 1 row: null
-- uses:    remembered_vectors_pkey, remembered_vectors_used_idx
select remanence.vectors_keep_v1(%(call)s::jsonb)
