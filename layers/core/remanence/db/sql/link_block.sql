-- link_block: attaches a block to an agent, or detaches it.
-- takes:   call jsonb {org_id, agent_id, block_id, attach}
-- returns: 1 row: jsonb {outcome: ok | not_found | conflict, view}
-- uses:    blocks_pkey, agents_pkey, agents_blocks_pkey
select remanence.block_link_v1(%(call)s::jsonb)
