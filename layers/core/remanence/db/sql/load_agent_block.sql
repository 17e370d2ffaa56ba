-- load_agent_block: a block of an agent, by its label, and whether there is such an agent at all.
-- takes:   agent_id text, label text
-- returns: 1 row: block jsonb {row of blocks} | null, has_agent boolean
-- uses:    agents_blocks_label_unique, blocks_pkey, agents_pkey
select (
        select to_jsonb(block)
        from remanence.agents_blocks as link
        join remanence.blocks as block on block.id = link.block_id
        where link.agent_id = %(agent_id)s::text and link.label = %(label)s::text
            and link.org_id = remanence.current_org()
    ) as block,
    exists (
        select from remanence.agents as agent
        where agent.id = %(agent_id)s::text and agent.org_id = remanence.current_org()
    ) as has_agent
