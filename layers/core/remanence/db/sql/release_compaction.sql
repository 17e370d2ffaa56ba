-- release_compaction: gives back a claim that came to nothing; another's is left alone.
-- takes:   conversation_id text; token text
-- returns: 0 rows
-- uses:    conversations_pkey
update remanence.conversations
set compaction_token = null, compaction_until = null
where id = %(conversation_id)s::text and compaction_token = %(token)s::text
