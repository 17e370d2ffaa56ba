-- peek_state: everything a step of this conversation would read, without any claim.
-- takes:   conversation_id text
-- returns: 1 row: state jsonb | 0 rows when there is no such conversation
-- uses:    conversations_pkey, messages_pkey
select remanence.step_state_v1(conv.id) as state
from remanence.conversations as conv
where conv.id = %(conversation_id)s::text
