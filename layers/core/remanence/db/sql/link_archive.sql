-- link_archive: attaches an archive to an agent, or detaches it; see the function.
-- takes:   call jsonb
-- returns: 1 row: jsonb {outcome, ...}
-- uses:    archives_pkey, agents_pkey, archives_agents_pkey
select remanence.archive_link_v1(%(call)s::jsonb)
