-- insert_archive: a new archive; the same id again gives what is there.
-- takes:   id, archive_name, description, embedding text; metadata jsonb
-- returns: 1 row: archive jsonb {see archive_view_v1}
-- uses:    archives_pkey
insert into remanence.archives as archive (id, org_id, name, description, embedding, metadata)
values (
    %(id)s::text, remanence.current_org(), %(archive_name)s::text, %(description)s::text,
    %(embedding)s::text, %(metadata)s::jsonb)
on conflict (id) do update set updated_at = archive.updated_at
returning remanence.archive_view_v1(archive) as archive
