-- fill_archive: puts passages into an archive; see the function.
-- takes:   call jsonb
-- returns: 1 row: jsonb {outcome, ...}
-- uses:    archives_pkey, passages_pkey
select remanence.archive_fill_v1(%(call)s::jsonb)
