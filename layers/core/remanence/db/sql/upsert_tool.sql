-- upsert_tool: stores a custom tool; one of the same name becomes this one and keeps its id.
-- takes:   call jsonb {org_id, tool {row of tools}, given [names of columns]}
-- returns: 1 row: jsonb {outcome: ok | conflict, tool}
-- uses:    tools_name_unique, agents_tools_tool_idx
select remanence.tool_upsert_v1(%(call)s::jsonb)
