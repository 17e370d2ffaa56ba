-- fork_agent: makes an agent that begins as another is, or was when a step was over.
-- takes:   call jsonb {org_id, agent_id, step_id | null, new_id, conversation_id, archive_id,
--          agent_name | null, share_blocks, author}
-- returns: 1 row: jsonb {outcome: ok | not_found}
-- uses:    agents_pkey, conversations_default_idx, steps_pkey, messages_pkey
select remanence.agent_fork_v1(%(call)s::jsonb)
