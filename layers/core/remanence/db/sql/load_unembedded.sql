-- load_unembedded: the next messages of a conversation that want a vector, with who said them.
-- takes:   conversation_id text; model text (handle of the vectors); page_limit integer
-- returns: 0..1 row: last_seq bigint (of the conversation), messages jsonb [{id, seq, text}], in order
-- uses:    conversations_pkey, messages_pkey
select conv.next_seq - 1 as last_seq, coalesce((
    select jsonb_agg(to_jsonb(next) order by next.seq)
    from (
        select msg.id, msg.seq, coalesce(msg.name, msg.role) || ': '
            || left(remanence.said(msg.role, msg.parts), 8000) as text
        from remanence.messages as msg
        where msg.conversation_id = conv.id
            -- another model, or emptied meanwhile: from the beginning
            and msg.seq > case when conv.vectors_model = %(model)s::text
                and conv.vectors_to_seq < conv.next_seq then conv.vectors_to_seq else 0 end
            and msg.role in ('user', 'assistant')
            and remanence.said(msg.role, msg.parts) is not null
        order by msg.seq
        limit %(page_limit)s::integer
    ) as next), '[]') as messages
from remanence.conversations as conv
where conv.org_id = remanence.current_org() and conv.id = %(conversation_id)s::text
