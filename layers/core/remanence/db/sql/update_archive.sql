-- update_archive: changes what a caller sets of an archive.
-- takes:   archive_id text; columns jsonb {name, description}: those given are set
-- returns: 0..1 row: archive jsonb {see archive_view_v1}
-- uses:    archives_pkey
update remanence.archives as archive
set name = coalesce(%(columns)s::jsonb ->> 'name', archive.name),
    description = case when %(columns)s::jsonb ? 'description'
        then %(columns)s::jsonb ->> 'description' else archive.description end,
    updated_at = clock_timestamp()
where archive.id = %(archive_id)s::text and archive.org_id = remanence.current_org()
returning remanence.archive_view_v1(archive) as archive
