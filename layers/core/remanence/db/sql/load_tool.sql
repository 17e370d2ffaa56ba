-- load_tool: a tool, by its id.
-- takes:   tool_id text
-- returns: 0..1 row: tool jsonb {row of tools}
-- uses:    tools_pkey
select to_jsonb(tool) as tool
from remanence.tools as tool
where tool.id = %(tool_id)s::text and tool.org_id = remanence.current_org()
