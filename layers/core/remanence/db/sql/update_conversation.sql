-- update_conversation: changes what a caller sets of a conversation.
-- takes:   conversation_id text; columns jsonb {summary, last_message_at}: those given are set;
--          extras jsonb: added to what is there, null takes a key away
-- returns: 0..1 row: conversation jsonb {see conversation_view_v1}
-- uses:    conversations_pkey
update remanence.conversations as conv
set summary = case when %(columns)s::jsonb ? 'summary'
        then %(columns)s::jsonb ->> 'summary' else conv.summary end,
    last_message_at = case when %(columns)s::jsonb ? 'last_message_at'
        then (%(columns)s::jsonb ->> 'last_message_at')::timestamptz
        else conv.last_message_at end,
    extras = jsonb_strip_nulls(conv.extras || %(extras)s::jsonb),
    updated_at = clock_timestamp()
where conv.id = %(conversation_id)s::text and conv.org_id = remanence.current_org()
returning remanence.conversation_view_v1(conv) as conversation
