-- add_message_vectors: keeps vectors of messages, and how far their conversation has them now. What
-- was deleted meanwhile gets none.
-- takes:   conversation_id, model text; to_seq bigint; vectors jsonb [{id, values}]
-- returns: 0..n rows: message_id text
-- uses:    conversations_pkey, messages_id_unique, message_vectors_pkey
with marked as (
    update remanence.conversations as conv
    set vectors_model = %(model)s::text, vectors_to_seq = %(to_seq)s::bigint
    where conv.org_id = remanence.current_org() and conv.id = %(conversation_id)s::text
)
insert into remanence.message_vectors (
    message_id, org_id, agent_id, model, dimensions, embedding)
select msg.id, msg.org_id, msg.agent_id, %(model)s::text,
    jsonb_array_length(item -> 'values'), remanence.to_halfvec(array(
        select value::real from jsonb_array_elements_text(item -> 'values') as value))
from jsonb_array_elements(%(vectors)s::jsonb) as item
join remanence.messages as msg on msg.id = item ->> 'id'
where msg.org_id = remanence.current_org()
on conflict (message_id) do update
set model = excluded.model, dimensions = excluded.dimensions, embedding = excluded.embedding
returning message_id
