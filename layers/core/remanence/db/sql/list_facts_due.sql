-- list_facts_due: conversations whose compacted history has not been read for facts, over all
-- organizations; ids only.
-- takes:   limit integer
-- returns: 1 row: jsonb [{org_id, conversation_id}]
-- uses:    agents_archive_facts_idx, conversations_agent_created_idx, fact_progress_pkey
select coalesce(jsonb_agg(to_jsonb(due)), '[]') from remanence.facts_due_v1(%(limit)s::integer) as due
