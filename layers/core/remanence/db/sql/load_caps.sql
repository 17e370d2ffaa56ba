-- load_caps: the caps of an agent, or of the organization.
-- takes:   agent_id text | null (the organization)
-- returns: 0..1 row: caps jsonb | null, model text | null (the agent's)
-- uses:    organizations_pkey, agents_pkey
select agent.caps, agent.model
from remanence.agents as agent
where agent.id = %(agent_id)s::text
union all
select org.caps, null
from remanence.organizations as org
where org.id = remanence.current_org() and %(agent_id)s::text is null
