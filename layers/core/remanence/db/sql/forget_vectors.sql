-- forget_vectors: forgets vectors that nobody has needed for long; over all organizations.
-- takes:   hours integer
-- returns: 1 row: bigint, how many they were
-- uses:    remembered_vectors_age_idx
select remanence.vectors_forget_v1(%(hours)s::integer)
