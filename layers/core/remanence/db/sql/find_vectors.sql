-- find_vectors: vectors of texts that were embedded lately; see the function.
-- takes:   call jsonb {org_id, model, hashes}
-- returns: 1 row: jsonb {hash: [number]}
-- uses:    remembered_vectors_pkey
select remanence.vectors_find_v1(%(call)s::jsonb)
