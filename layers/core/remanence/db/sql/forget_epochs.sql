-- forget_epochs: makes the next step of each conversation of an agent compile its prompt afresh.
-- takes:   agent_id text
-- returns: 0 rows
-- uses:    conversations_agent_created_idx
update remanence.conversations
set epoch = null, epoch_seen = null
where agent_id = %(agent_id)s::text
