-- write_tool_effects: writes what a built-in tool did that was run outside of a step.
-- takes:   call jsonb {org_id, agent_id, blocks {edited, created, detached}, passages,
--          new_archive_id}
-- returns: 1 row: jsonb {outcome: ok | not_found | stale}
-- uses:    agents_pkey, blocks_pkey, agents_blocks_pkey
select remanence.tool_effects_v1(%(call)s::jsonb)
