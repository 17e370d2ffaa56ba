-- list_moving_agents: agents whose messages have the vectors of the model that they change to.
-- takes:   limit integer; over all organizations
-- returns: 1 row: jsonb [{org_id, agent_id}]
-- uses:    conversations_agent_created_idx
select coalesce(jsonb_agg(to_jsonb(due)), '[]')
from remanence.moving_agents_v1(%(limit)s::integer) as due
