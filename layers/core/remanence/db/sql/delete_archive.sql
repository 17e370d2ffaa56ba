-- delete_archive: deletes an archive with its passages; agents lose it.
-- takes:   archive_id text
-- returns: 0..1 row: id text
-- uses:    archives_pkey, passages_archive_created_idx, archives_agents_archive_idx
delete from remanence.archives as archive
where archive.id = %(archive_id)s::text and archive.org_id = remanence.current_org()
returning archive.id
