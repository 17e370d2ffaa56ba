-- create_agent: makes an agent with its conversation, blocks, tools and first messages.
-- takes:   call jsonb {org_id, agent, conversation_id, new_blocks, block_ids, tool_names, tool_ids,
--          identity_ids, secrets, messages}
-- returns: 1 row: jsonb {outcome: ok | not_found | conflict, view}
-- uses:    agents_pkey, blocks_pkey, tools_name_unique
select remanence.agent_create_v1(%(call)s::jsonb)
