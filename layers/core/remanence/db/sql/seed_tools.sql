-- seed_tools: makes sure that every organization has the built-in tools, as this version has them.
-- takes:   tools jsonb [{name, description, tool_type, parameters, return_char_limit, tags}]
-- returns: 0..n rows: id text, of the tools that were made or changed
-- uses:    tools_name_unique
insert into remanence.tools as tool (
    id, org_id, name, description, tool_type, parameters, return_char_limit, tags)
select
    -- the same id in every database, in the shape of a random one (uuid4), as the protocol wants
    'tool-' || overlay(overlay(
        md5(organization.id || ' ' || given.name) placing '4' from 13 for 1)
        placing '8' from 17 for 1)::uuid::text,
    organization.id, given.name, given.description, given.tool_type, given.parameters,
    given.return_char_limit, given.tags
from remanence.organizations as organization
cross join jsonb_populate_recordset(null::remanence.tools, %(tools)s::jsonb) as given
on conflict (org_id, name) do update
set description = excluded.description, tool_type = excluded.tool_type,
    parameters = excluded.parameters, return_char_limit = excluded.return_char_limit,
    tags = excluded.tags, updated_at = now()
where (tool.description, tool.tool_type, tool.parameters, tool.return_char_limit, tool.tags)
    is distinct from (excluded.description, excluded.tool_type, excluded.parameters,
        excluded.return_char_limit, excluded.tags)
returning tool.id
