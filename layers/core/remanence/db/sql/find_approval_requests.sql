-- find_approval_requests: the requests of a conversation that an answer may be to.
-- takes:   agent_id, conversation_id text (null: the agent's default); message_id text, or null
--          and call_id text: a request with this call, among the newest 1000 messages
-- returns: 0..2 rows, the newest first: message jsonb {row of messages}, is_pending boolean,
--          caller_tools jsonb [name ...] (of its run: the caller runs them)
-- uses:    conversations_default_idx, conversations_pkey, messages_pkey, messages_id_unique,
--          runs_pkey
with conv as (
    select conv.id, conv.next_seq, conv.pending_message_id
    from remanence.conversations as conv
    where case when %(conversation_id)s::text is null
        then conv.agent_id = %(agent_id)s::text and conv.is_default
        else conv.id = %(conversation_id)s::text end
),
wanted as (
    select conv.pending_message_id as id from conv
    union
    select %(message_id)s::text
    union
    (select holding.id
     from conv
     join remanence.messages as holding on holding.conversation_id = conv.id
     where %(message_id)s::text is null
        and holding.seq > conv.next_seq - 1000
        and holding.role = 'approval'
        and holding.parts @> jsonb_build_array(
            jsonb_build_object('type', 'tool_call', 'tool_call_id', %(call_id)s::text))
     order by holding.seq desc
     limit 1)
)
select to_jsonb(request) - 'lexemes' as message,
    coalesce(request.id = conv.pending_message_id, false) as is_pending,
    (
        select coalesce(jsonb_agg(tool -> 'name'), '[]')
        from remanence.runs as run, jsonb_array_elements(run.options -> 'client_tools') as tool
        where run.id = request.run_id
    ) as caller_tools
from conv
join wanted on wanted.id is not null
join remanence.messages as request
    on request.id = wanted.id and request.conversation_id = conv.id and request.role = 'approval'
order by request.seq desc
