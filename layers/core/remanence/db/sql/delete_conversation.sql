-- delete_conversation: deletes a conversation with its history; see the function.
-- takes:   call jsonb
-- returns: 1 row: jsonb {outcome, ...}
-- uses:    conversations_pkey
select remanence.conversation_delete_v1(%(call)s::jsonb)
