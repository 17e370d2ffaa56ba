-- find_message: one message.
-- takes:   message_id text
-- returns: 0..1 row: message jsonb {row of messages}
-- uses:    messages_id_unique
select to_jsonb(msg) - 'lexemes' as message
from remanence.messages as msg
where msg.id = %(message_id)s::text and msg.org_id = remanence.current_org()
