-- load_archive: one archive.
-- takes:   archive_id text
-- returns: 0..1 row: archive jsonb {see archive_view_v1}
-- uses:    archives_pkey
select remanence.archive_view_v1(archive) as archive
from remanence.archives as archive
where archive.id = %(archive_id)s::text and archive.org_id = remanence.current_org()
