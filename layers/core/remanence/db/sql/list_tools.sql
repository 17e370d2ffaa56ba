-- list_tools: one page of the tools that pass every filter; of one agent, if one is named.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          agent_id, query_text text; names, tool_ids, tool_types, excluded_types text[];
--          only_builtin boolean
-- returns: 0..page_limit rows: tool jsonb {row of tools}
-- uses:    tools_name_unique, agents_tools_tool_idx (an organization has tens of tools)
with matching as not materialized (
    select tool.*
    from remanence.tools as tool
    where tool.org_id = remanence.current_org()
        and (%(agent_id)s::text is null or exists (
            select from remanence.agents_tools as link
            where link.tool_id = tool.id and link.agent_id = %(agent_id)s::text))
        and (%(query_text)s::text is null
            or position(lower(%(query_text)s::text) in lower(tool.name)) > 0)
        and (%(names)s::text[] is null or tool.name = any (%(names)s::text[]))
        and (%(tool_ids)s::text[] is null or tool.id = any (%(tool_ids)s::text[]))
        and (%(tool_types)s::text[] is null or tool.tool_type = any (%(tool_types)s::text[]))
        and (%(excluded_types)s::text[] is null
            or tool.tool_type <> all (%(excluded_types)s::text[]))
        and (not %(only_builtin)s::boolean or starts_with(tool.tool_type, 'letta_'))
),
bounded as not materialized (
    select matching.*
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.tools as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.tools as upper where upper.id = %(upper_id)s::text))
),
page as (
    (select bounded.* from bounded
     where %(scan_up)s::boolean
     order by bounded.created_at, bounded.id limit %(page_limit)s::integer)
    union all
    (select bounded.* from bounded
     where not %(scan_up)s::boolean
     order by bounded.created_at desc, bounded.id desc limit %(page_limit)s::integer)
)
select to_jsonb(page) as tool
from page
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
