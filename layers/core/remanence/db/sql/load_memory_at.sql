-- load_memory_at: core memory as it was at some time: an agent's blocks, or one block.
-- takes:   call jsonb {org_id, agent_id | block_id, at | step_id}
-- returns: 1 row: jsonb {outcome: ok | not_found, blocks}
-- uses:    agents_blocks_pkey, attachments_past_agent_idx, block_versions_pkey
select remanence.memory_at_v1(%(call)s::jsonb)
