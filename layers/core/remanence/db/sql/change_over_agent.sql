-- change_over_agent: lets an agent use the model that it changes to; see the function.
-- takes:   call jsonb {org_id, agent_id}
-- returns: 1 row: jsonb {outcome: ok | none}
-- uses:    conversations_agent_created_idx, agents_pkey, message_vectors_agent_idx
select remanence.agent_change_over_v1(%(call)s::jsonb)
