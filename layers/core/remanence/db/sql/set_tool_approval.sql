-- set_tool_approval: says whether calls of a tool wait for approval.
-- takes:   call jsonb {org_id, agent_id, tool_name, requires_approval, rule}
-- returns: 1 row: jsonb {outcome: ok | not_found, view}
-- uses:    agents_pkey, agents_tools_pkey
select remanence.tool_approval_v1(%(call)s::jsonb)
