-- update_agent_caps: sets the caps of an agent; a step that runs notices.
-- takes:   agent_id text, caps jsonb | null
-- returns: 0..1 row: id text
-- uses:    agents_pkey
update remanence.agents as agent
set caps = %(caps)s::jsonb, version = agent.version + 1, updated_at = clock_timestamp()
where agent.id = %(agent_id)s::text
returning agent.id
