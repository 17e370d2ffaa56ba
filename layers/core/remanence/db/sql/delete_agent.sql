-- delete_agent: deletes an agent with its history and its own archives.
-- takes:   call jsonb {org_id, agent_id}
-- returns: 1 row: jsonb {outcome: ok | not_found}
-- uses:    agents_pkey, conversations_agent_created_idx
select remanence.agent_delete_v1(%(call)s::jsonb)
