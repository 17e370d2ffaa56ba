-- update_tool: replaces a custom tool, unless it changed since it was read.
-- takes:   call jsonb {org_id, base_updated_at, tool {row of tools}}
-- returns: 1 row: jsonb {outcome: ok | not_found | stale | conflict, tool}
-- uses:    tools_pkey, agents_tools_tool_idx
select remanence.tool_update_v1(%(call)s::jsonb)
