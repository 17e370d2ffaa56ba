-- list_unembedded: conversations in which something was said that has no vector yet.
-- takes:   limit integer; over all organizations
-- returns: 1 row: jsonb [{org_id, conversation_id, model}]
-- uses:    conversations_agent_created_idx
select coalesce(jsonb_agg(to_jsonb(due)), '[]')
from remanence.unembedded_v2(%(limit)s::integer) as due
