-- delete_passage: deletes a passage, of an agent's archives or of an archive; or all its versions.
-- takes:   call jsonb {org_id, author, passage_id, agent_id | null, archive_id | null, erase}
-- returns: 1 row: jsonb {outcome: ok | not_found}
-- uses:    passages_pkey, passage_versions_pkey, archives_agents_pkey
select remanence.passage_delete_v1(%(call)s::jsonb)
