-- add_passages: puts passages into an agent's own archive, which is made on first use.
-- takes:   call jsonb {org_id, agent_id, new_archive_id, passages}
-- returns: 1 row: jsonb {outcome: ok | not_found, ...}
-- uses:    agents_pkey, archives_agents_pkey
select remanence.passages_add_v1(%(call)s::jsonb)
