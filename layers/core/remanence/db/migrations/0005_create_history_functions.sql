-- History and archival memory as the API reads and changes them.

-- Tags that a caller gave a step together with its feedback.
alter table remanence.steps add column tags text[] not null default '{}';

-- The types of the wire messages that a stored message becomes, one per part in the order of the
-- parts (the calls of an approval request that wait are one message all the same); empty when it
-- becomes none. p_speech_tool is the tool whose calls are shown as assistant messages and whose
-- successful returns are not shown; null: no tool is. A page of a list must not be empty while
-- more follows (the SDKs stop there), so filters by type work before the limit, here. The same as
-- api/wire/messages.py, which a test compares it with.
create function remanence.shown_types_v1(role text, parts jsonb, p_speech_tool text)
returns text[]
language sql immutable parallel safe
as $$
    select case
        when role = 'approval' and not parts @> '[{"type": "tool_call"}]'
            then array['approval_response_message']
        when role in ('assistant', 'approval') then array(
            select case
                when part ->> 'type' = 'text' then 'assistant_message'
                when part ->> 'type' = 'reasoning' and part ? 'redacted'
                    then 'hidden_reasoning_message'
                when part ->> 'type' = 'reasoning' then 'reasoning_message'
                when role = 'approval' and (part ? 'waits' or not parts @> '[{"waits": true}]')
                    then 'approval_request_message'
                when part ->> 'name' = p_speech_tool then 'assistant_message'
                else 'tool_call_message' end
            from jsonb_array_elements(parts) with ordinality as items (part, place)
            order by place)
        when role = 'tool' then array(
            select 'tool_return_message'
            from jsonb_array_elements(parts) as part
            where part ->> 'name' is distinct from p_speech_tool
                or part ->> 'status' = 'error')
        else array[role || '_message']
    end
$$;

-- Empties the default conversation of an agent: its messages, its summaries, its window.
--
-- p: org_id, agent_id
-- returns outcome: ok | busy (conversation_id, run_id) | not_found (kind, id); only ok has
--    written anything. A run that nobody works on any more is cancelled, and whoever comes back
--    to it finds that the fence has moved.
create function remanence.messages_reset_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
    run_id text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where agent_id = p ->> 'agent_id' and is_default for update;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    if conv.lease_until > clock_timestamp() then
        select id into run_id from remanence.runs
        where conversation_id = conv.id and status in ('created', 'running')
        order by ord limit 1;
        return jsonb_build_object(
            'outcome', 'busy', 'conversation_id', conv.id, 'run_id', run_id);
    end if;
    update remanence.runs
    set status = 'cancelled', stop_reason = 'cancelled', completed_at = clock_timestamp(),
        callback_due_at = case when callback_url is not null then clock_timestamp() end
    where conversation_id = conv.id and status in ('created', 'running');
    delete from remanence.summaries where conversation_id = conv.id;
    delete from remanence.messages where conversation_id = conv.id;
    update remanence.conversations
    set next_seq = 1, window_from_seq = 1, window_tokens = 0, anchor = '{}', epoch = null,
        epoch_seen = null,
        fence = fence + 1, lease_token = null, lease_until = null,
        pending_message_id = null, pending_call_ids = '{}', pending_since = null,
        updated_at = clock_timestamp()
    where id = conv.id;
    return '{"outcome": "ok"}';
end
$$;

-- Puts passages into the archive that an agent's own insertions go to, made on first use.
--
-- p: org_id, agent_id, new_archive_id, passages (see insert_passages_v1)
-- returns outcome: ok (passages [row ...], embedding of the archive) | not_found (kind, id)
create function remanence.passages_add_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    agent remanence.agents;
    own text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    -- the lock keeps two first insertions from making two archives
    select * into agent from remanence.agents
    where id = p ->> 'agent_id' for no key update;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    own := remanence.own_archive_v1(agent, p ->> 'new_archive_id');
    perform remanence.insert_passages_v1(agent.org_id, own, null, p -> 'passages');
    return jsonb_build_object(
        'outcome', 'ok',
        'passages', (
            select jsonb_agg(
                to_jsonb(passage) - 'lexemes' || jsonb_build_object('embedding', archive.embedding)
                order by items.place)
            from jsonb_array_elements(p -> 'passages') with ordinality as items (item, place)
            join remanence.passages as passage on passage.id = items.item ->> 'id'
            join remanence.archives as archive on archive.id = passage.archive_id));
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
