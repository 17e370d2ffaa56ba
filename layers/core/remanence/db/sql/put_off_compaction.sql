-- put_off_compaction: keeps the sweep from a conversation that has nothing to move, until more is
-- said in it: or a few dozen of those would take every sweep from the others.
-- takes:   conversation_id text
-- returns: 0 rows
-- uses:    conversations_pkey
update remanence.conversations
set compaction_tried_at = clock_timestamp()
where id = %(conversation_id)s::text
