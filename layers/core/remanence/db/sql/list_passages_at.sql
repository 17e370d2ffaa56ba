-- list_passages_at: a page of an agent's archival memory as it was at some time.
-- takes:   call jsonb {org_id, agent_id, at | step_id, after, search, page_limit}
-- returns: 1 row: jsonb {outcome: ok | not_found, passages}
-- uses:    archives_agents_pkey, attachments_past_agent_idx, passages_archive_created_idx,
--          passage_versions_archive_idx
select remanence.passages_at_v1(%(call)s::jsonb)
