-- load_agent: an agent as the API shows it.
-- takes:   agent_id text, relations text[] (of blocks, tools, identities, secrets)
-- returns: 0..1 row: view jsonb {agent, blocks, tools, identities, secrets, message_ids}
-- uses:    agents_pkey, agents_blocks_pkey, agents_tools_pkey, messages_pkey
select remanence.agent_view_v1(agent.id, %(relations)s::text[]) as view
from remanence.agents as agent
where agent.id = %(agent_id)s::text and agent.org_id = remanence.current_org()
