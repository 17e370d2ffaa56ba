-- update_org_caps: sets the caps of the organization.
-- takes:   caps jsonb | null
-- returns: 1 row: id text
-- uses:    organizations_pkey
update remanence.organizations as org
set caps = %(caps)s::jsonb
where org.id = remanence.current_org()
returning org.id
