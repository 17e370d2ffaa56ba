-- fork_conversation: copies a conversation up to a message; see the function.
-- takes:   call jsonb
-- returns: 1 row: jsonb {outcome, ...}
-- uses:    conversations_pkey, messages_pkey, messages_id_unique
select remanence.conversation_fork_v1(%(call)s::jsonb)
