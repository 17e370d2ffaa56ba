-- claim_compaction: takes on the compaction of a conversation, so that nobody else pays for it too.
-- takes:   conversation_id text; token text; hold_ms integer: the claim ends by itself after that
-- returns: 1 row: id text | 0 rows when somebody else has it, or it is gone
-- uses:    conversations_pkey
update remanence.conversations as conv
set compaction_token = %(token)s::text,
    compaction_until = clock_timestamp() + %(hold_ms)s::integer * interval '1 millisecond'
where conv.id = %(conversation_id)s::text
    and (
        conv.compaction_until is null
        or conv.compaction_until < clock_timestamp()
        or conv.compaction_token = %(token)s::text
    )
returning conv.id
