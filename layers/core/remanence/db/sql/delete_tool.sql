-- delete_tool: deletes a custom tool; the agents that have it lose it.
-- takes:   call jsonb {org_id, tool_id}
-- returns: 1 row: jsonb {outcome: ok | not_found | conflict}
-- uses:    tools_pkey, agents_tools_tool_idx
select remanence.tool_delete_v1(%(call)s::jsonb)
