-- delete_archive_passage: deletes a passage of an archive, with its vector.
-- takes:   archive_id, passage_id text
-- returns: 0..1 row: id text
-- uses:    passages_pkey
delete from remanence.passages as passage
where passage.id = %(passage_id)s::text
    and passage.archive_id = %(archive_id)s::text
    and passage.org_id = remanence.current_org()
returning passage.id
