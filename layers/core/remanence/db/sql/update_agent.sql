-- update_agent: replaces the configuration of an agent that has not changed since it was read.
-- takes:   call jsonb {org_id, agent, base_version, block_ids, tool_ids, identity_ids, secrets}
-- returns: 1 row: jsonb {outcome: ok | not_found | conflict | stale, view}
-- uses:    agents_pkey, blocks_pkey, tools_pkey
select remanence.agent_update_v1(%(call)s::jsonb)
