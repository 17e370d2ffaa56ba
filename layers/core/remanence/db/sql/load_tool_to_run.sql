-- load_tool_to_run: a tool, by its id, with the sealed secrets of the agent that runs it.
-- takes:   tool_id, agent_id text
-- returns: 0..1 row: tool jsonb {row of tools}, secrets jsonb {name: seal}
-- uses:    tools_pkey, agent_secrets_pkey
select to_jsonb(tool) as tool, (
    select coalesce(jsonb_object_agg(secret.name, secret.value), '{}')
    from remanence.agent_secrets as secret
    where secret.agent_id = %(agent_id)s::text and secret.org_id = remanence.current_org()
) as secrets
from remanence.tools as tool
where tool.id = %(tool_id)s::text and tool.org_id = remanence.current_org()
