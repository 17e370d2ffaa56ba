-- load_context_state: what the next step of a conversation would be compiled from.
-- takes:   agent_id text; conversation_id text | null (the agent's default one)
-- returns: 0..1 row: view jsonb {agent, blocks, tools}, conversation jsonb {row}, counts jsonb,
--          summaries jsonb [row], window jsonb [row of messages]
-- uses:    agents_pkey, conversations_default_idx, passages_archive_created_idx,
--          summaries_roots_idx, messages_pkey
select remanence.agent_view_v1(agent.id, '{blocks,tools}') as view,
    to_jsonb(conv) as conversation,
    remanence.memory_counts_v1(agent.id, conv.window_from_seq) as counts,
    (
        -- not named "summary": that is a column of conv, and would win
        select coalesce(jsonb_agg(to_jsonb(leaf) order by leaf.from_seq), '[]')
        from remanence.summaries as leaf
        where leaf.conversation_id = conv.id and leaf.parent_id is null
    ) as summaries,
    (
        select coalesce(jsonb_agg(to_jsonb(msg) - 'lexemes' order by msg.seq), '[]')
        from remanence.messages as msg
        where msg.conversation_id = conv.id and msg.seq >= conv.window_from_seq
    ) as "window"
from remanence.agents as agent
join remanence.conversations as conv on conv.agent_id = agent.id
    and case when %(conversation_id)s::text is null then conv.is_default
        else conv.id = %(conversation_id)s::text end
where agent.id = %(agent_id)s::text and agent.org_id = remanence.current_org()
