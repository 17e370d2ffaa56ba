-- reset_messages: empties the default conversation of an agent, unless a run works on it.
-- takes:   call jsonb {org_id, agent_id}
-- returns: 1 row: jsonb {outcome: ok | busy | not_found, ...}
-- uses:    conversations_default_idx, messages_pkey, summaries_roots_idx, runs_unfinished_idx
select remanence.messages_reset_v1(%(call)s::jsonb)
