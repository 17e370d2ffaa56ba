-- load_prompt_state: what the system prompt of an agent's default conversation is compiled from.
-- takes:   agent_id text
-- returns: 0..1 row: view jsonb {agent, blocks, tools}, conversation jsonb {row}, counts jsonb
-- uses:    agents_pkey, conversations_default_idx, passages_archive_created_idx
select remanence.agent_view_v1(agent.id, '{blocks,tools}') as view,
    to_jsonb(conv) as conversation,
    remanence.memory_counts_v1(agent.id, conv.window_from_seq) as counts
from remanence.agents as agent
join remanence.conversations as conv on conv.agent_id = agent.id and conv.is_default
where agent.id = %(agent_id)s::text and agent.org_id = remanence.current_org()
