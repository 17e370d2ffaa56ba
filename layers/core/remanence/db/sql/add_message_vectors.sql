-- add_message_vectors: keeps vectors of messages, and how far their conversation has them now; see
-- the function.
-- takes:   call jsonb {org_id, conversation_id, model, claim, hold_ms, to_seq, vectors}
-- returns: 1 row: null
-- uses:    conversations_pkey, messages_id_unique, message_vectors_pkey
select remanence.message_vectors_add_v1(%(call)s::jsonb)
