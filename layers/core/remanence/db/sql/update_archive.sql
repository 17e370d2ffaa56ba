-- update_archive: changes what a caller sets of an archive; see the function.
-- takes:   call jsonb {org_id, archive_id, columns}
-- returns: 1 row: jsonb {outcome: ok | not_found, archive}
-- uses:    archives_pkey
select remanence.archive_update_v1(%(call)s::jsonb)
