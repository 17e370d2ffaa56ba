-- load_full_block: a block, when each of its lines came, and what was said lately at its agent.
-- takes:   agent_id, block_id text; page_limit integer (messages)
-- returns: 0..1 row: block jsonb, ages jsonb {line: version}, messages jsonb [row], embedding text
-- uses:    blocks_pkey, block_versions_pkey, messages_agent_created_idx
select to_jsonb(block) as block, remanence.line_ages_v1(block.id) as ages,
    (
        select coalesce(jsonb_agg(to_jsonb(recent) - 'lexemes'), '[]')
        from (
            select message.* from remanence.messages as message
            where message.agent_id = agent.id
            order by message.created_at desc, message.id desc
            limit %(page_limit)s::integer
        ) as recent
    ) as messages,
    coalesce((
        select archive.embedding
        from remanence.archives_agents as link
        join remanence.archives as archive on archive.id = link.archive_id
        where link.agent_id = agent.id
        order by link.is_owner desc, link.created_at limit 1
    ), agent.embedding) as embedding
from remanence.agents as agent
join remanence.agents_blocks as held on held.agent_id = agent.id
join remanence.blocks as block on block.id = held.block_id
where agent.org_id = remanence.current_org()
    and agent.id = %(agent_id)s::text and block.id = %(block_id)s::text
