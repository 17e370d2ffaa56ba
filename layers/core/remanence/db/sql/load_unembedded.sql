-- load_unembedded: claims a conversation, and reads its next messages that want a vector, with who
-- said them; see the function.
-- takes:   call jsonb {org_id, conversation_id, model, claim, hold_ms, page_limit}
-- returns: 1 row: jsonb {outcome: ok | none, last_seq, messages [{id, seq, text}]}
-- uses:    conversations_pkey, messages_pkey
select remanence.unembedded_load_v1(%(call)s::jsonb)
