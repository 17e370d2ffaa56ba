-- link_tool: attaches a tool to an agent, or detaches it.
-- takes:   call jsonb {org_id, agent_id, tool_id, attach}
-- returns: 1 row: jsonb {outcome: ok | not_found, view}
-- uses:    tools_pkey, agents_pkey, agents_tools_pkey
select remanence.tool_link_v1(%(call)s::jsonb)
