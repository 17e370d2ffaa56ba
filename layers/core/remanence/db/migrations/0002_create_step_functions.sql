-- One agent step is two calls: begin (claim, read everything) and commit (all or nothing).
--
-- They are plpgsql and VOLATILE on purpose. A claim and its reads in one plain statement read a
-- stale snapshot after waiting for the row lock: the claim sees the new row, the reads the old
-- ones, and a finished step runs again. In a volatile function each statement has its own
-- snapshot, taken after the lock was won.
-- They are called by their versioned name: at a deploy, old and new code run side by side.
-- Instants are the database's (clock_timestamp), so that skewed workers agree on leases.

-- Puts the transaction behind row-level security, whoever is logged in.
create function remanence.enter_org(p_org_id text) returns void
language plpgsql
as $$
begin
    perform set_config('remanence.org_id', p_org_id, true), set_config('role', 'remanence_app', true);
end
$$;

-- The agent with its tools.
create function remanence.agent_state_v1(p_agent_id text) returns jsonb
language plpgsql
as $$
begin
    return (
        select jsonb_build_object(
            'agent', to_jsonb(agent),
            'tools', coalesce((
                select jsonb_agg(
                    to_jsonb(tool) - 'source_code' || jsonb_build_object(
                        'requires_approval',
                        coalesce(link.requires_approval, tool.default_requires_approval))
                    order by link.position)
                from remanence.agents_tools as link
                join remanence.tools as tool on tool.id = link.tool_id
                where link.agent_id = agent.id), '[]'))
        from remanence.agents as agent
        where agent.id = p_agent_id
    );
end
$$;

-- The blocks attached to an agent, in their order.
create function remanence.agent_blocks_v1(p_agent_id text) returns jsonb
language plpgsql
as $$
begin
    return (
        select coalesce(jsonb_agg(to_jsonb(block) order by link.position), '[]')
        from remanence.agents_blocks as link
        join remanence.blocks as block on block.id = link.block_id
        where link.agent_id = p_agent_id
    );
end
$$;

-- What lies outside the window. The count of passages stops at 10,001: it says "more"; tags are
-- those of the newest passages. Both read a bounded number of rows of each archive.
create function remanence.memory_counts_v1(p_agent_id text, p_window_from_seq bigint) returns jsonb
language plpgsql
as $$
begin
    return (
        select jsonb_build_object(
            'recall', p_window_from_seq - 1,
            'archival', (
                select count(*) from (
                    select from remanence.archives_agents as link
                    cross join lateral (
                        select from remanence.passages where archive_id = link.archive_id
                        limit 10001) as passage
                    where link.agent_id = p_agent_id
                    limit 10001) as counted),
            'archival_tags', (
                select coalesce(jsonb_agg(distinct tag), '[]')
                from remanence.archives_agents as link
                cross join lateral (
                    select tags from remanence.passages where archive_id = link.archive_id
                    order by created_at desc, id desc
                    limit 200) as recent
                cross join unnest(recent.tags) as tag
                where link.agent_id = p_agent_id))
    );
end
$$;

-- Everything one step reads: of a conversation as it is now, and a run of it (null: none).
--
-- It is json, not jsonb, and names what is read: it is built once and sent, and a window of a
-- thousand messages costs half of what jsonb takes. (All functions here are plpgsql because that
-- keeps their plans for the session; an SQL function is planned anew by each statement.)
create function remanence.state_v1(
    p_conv remanence.conversations, p_run remanence.runs, p_is_new boolean) returns json
language plpgsql
as $$
begin
    return json_build_object(
        'conversation', to_json(p_conv),
        'agent', (select to_json(agent) from remanence.agents as agent where id = p_conv.agent_id),
        'tools', (
            select coalesce(json_agg(tool order by tool.position), '[]')
            from (
                select tool.id, tool.name, tool.description, tool.tool_type, tool.parameters,
                    tool.return_char_limit, tool.tags, tool.metadata, tool.extras, link.position,
                    coalesce(link.requires_approval, tool.default_requires_approval)
                        as requires_approval
                from remanence.agents_tools as link
                join remanence.tools as tool on tool.id = link.tool_id
                where link.agent_id = p_conv.agent_id) as tool),
        'blocks', (
            select coalesce(json_agg(block order by link.position), '[]')
            from remanence.agents_blocks as link
            join remanence.blocks as block on block.id = link.block_id
            where link.agent_id = p_conv.agent_id),
        'counts', remanence.memory_counts_v1(p_conv.agent_id, p_conv.window_from_seq),
        'run', case when p_run.id is not null then json_build_object(
            'id', p_run.id, 'agent_id', p_run.agent_id, 'conversation_id', p_run.conversation_id,
            'status', p_run.status, 'options', p_run.options, 'background', p_run.background,
            'created_at', p_run.created_at, 'stop_reason', p_run.stop_reason,
            'completed_at', p_run.completed_at, 'callback_url', p_run.callback_url,
            'cancel_requested', p_run.cancel_requested) end,
        'steps', case when p_is_new
            then json '{"done": 0, "called_tools": []}' else remanence.run_steps_v1(p_run.id) end,
        'summaries', (
            select coalesce(json_agg(leaf order by leaf.from_seq), '[]')
            from (
                select id, level, from_seq, to_seq, text, tokens, model, created_at
                from remanence.summaries
                where conversation_id = p_conv.id and parent_id is null) as leaf),
        -- A step that was begun more than five times is only given up (MAX_CLAIMS of
        -- engine/step.py), and what kills its workers may be the size of what they load.
        'window', case when p_conv.claims > 5 then json '[]' else (
            select coalesce(json_agg(message order by message.seq), '[]')
            from (
                select id, seq, role, parts, tokens, name, otid, sender_id, run_id, step_id,
                    created_at
                from remanence.messages
                where conversation_id = p_conv.id and seq >= p_conv.window_from_seq
            ) as message) end);
end
$$;

-- What a run has done so far.
create function remanence.run_steps_v1(p_run_id text) returns json
language plpgsql
as $$
begin
    return (
        select json_build_object(
            'done', count(*),
            'called_tools', coalesce((
                select json_agg(called order by earlier.step_no, place)
                from remanence.steps as earlier,
                     unnest(earlier.called_tools) with ordinality as names (called, place)
                where earlier.run_id = p_run_id), '[]'),
            'prompt_tokens', coalesce(sum(prompt_tokens), 0),
            'completion_tokens', coalesce(sum(completion_tokens), 0),
            'cached_input_tokens', coalesce(sum(cached_input_tokens), 0),
            'cache_write_tokens', coalesce(sum(cache_write_tokens), 0),
            'reasoning_tokens', coalesce(sum(reasoning_tokens), 0))
        from remanence.steps where run_id = p_run_id
    );
end
$$;

-- What a step of a conversation that is only looked at would read; its run is the newest.
create function remanence.step_state_v1(p_conversation_id text) returns json
language plpgsql
as $$
declare
    conv remanence.conversations;
    run remanence.runs;
begin
    select * into strict conv from remanence.conversations where id = p_conversation_id;
    conv.claims := 0;
    select * into run from remanence.runs
    where conversation_id = conv.id order by ord desc limit 1;
    return remanence.state_v1(conv, run, false);
end
$$;

-- Claims the conversation for a worker and puts the input of its oldest unfinished run into the
-- history, unless it is there already. The caller holds the row lock on the conversation and has
-- seen that the lease is free. p_conv is written as it was changed since it was read (next_ord).
create function remanence.claim_v1(
    p_conv remanence.conversations, p_run remanence.runs, p_token text, p_lease_ms integer,
    p_is_new boolean)
returns json
language plpgsql
as $$
declare
    first_seq bigint := p_conv.next_seq;
    added integer := 0;
    moment timestamptz := clock_timestamp();
begin
    if p_is_new then
        if (select message_buffer_autoclear from remanence.agents where id = p_conv.agent_id) then
            p_conv.window_from_seq := first_seq;
        end if;
        insert into remanence.messages (
            conversation_id, seq, id, org_id, agent_id, run_id, role, parts, name, otid,
            sender_id, tokens, created_at)
        select p_conv.id, first_seq + place - 1, item ->> 'id', p_conv.org_id, p_conv.agent_id,
            p_run.id, item ->> 'role', item -> 'parts', item ->> 'name', item ->> 'otid',
            item ->> 'sender_id', (item ->> 'tokens')::integer, moment
        from jsonb_array_elements(p_run.input) with ordinality as items (item, place);
        get diagnostics added = row_count;
    end if;
    if added > 0 then
        p_conv.next_seq := first_seq + added;
        p_conv.last_message_at := moment;
        p_conv.pending_message_id := null;
        p_conv.pending_call_ids := '{}';
        p_conv.pending_since := null;
    end if;
    update remanence.conversations
    set fence = fence + (lease_token is distinct from p_token)::integer,
        lease_token = p_token,
        lease_until = moment + p_lease_ms * interval '1 millisecond',
        claims = claims + 1,
        pending_message_id = p_conv.pending_message_id,
        pending_call_ids = p_conv.pending_call_ids,
        pending_since = p_conv.pending_since,
        next_seq = p_conv.next_seq,
        next_ord = p_conv.next_ord,
        window_from_seq = p_conv.window_from_seq,
        last_message_at = p_conv.last_message_at
    where id = p_conv.id
    returning * into p_conv;
    return json_build_object(
        'outcome', 'ok', 'state', remanence.state_v1(p_conv, p_run, p_is_new));
end
$$;

-- Whether calls of a conversation wait for an approval. A request that nobody answered for a
-- month is given up: any input may follow it.
create function remanence.approval_waits_v1(p_conv remanence.conversations) returns boolean
language plpgsql stable
as $$
begin
    return p_conv.pending_message_id is not null
        and p_conv.pending_since > clock_timestamp() - interval '30 days';
end
$$;

-- Why an input does not fit what the conversation waits for; null when it does.
-- An answer is to all calls that wait, and may name the others of the same request too.
create function remanence.approval_refusal_v1(p_conv remanence.conversations, p jsonb)
returns jsonb
language plpgsql
as $$
declare
    answers text[] := array(
        select jsonb_array_elements_text(coalesce(nullif(p -> 'answers', 'null'), '[]')));
    waits boolean := remanence.approval_waits_v1(p_conv);
begin
    if answers <> '{}' then
        if not waits or not answers @> p_conv.pending_call_ids or not answers <@ array(
            select call ->> 'tool_call_id'
            from remanence.messages as request, jsonb_array_elements(request.parts) as call
            where request.id = p_conv.pending_message_id and call ->> 'type' = 'tool_call')
        then
            return jsonb_build_object('outcome', 'unasked', 'call_ids',
                case when waits then to_jsonb(p_conv.pending_call_ids) else '[]' end);
        end if;
    elsif waits then
        return jsonb_build_object('outcome', 'pending',
            'message_id', p_conv.pending_message_id, 'call_ids', p_conv.pending_call_ids);
    end if;
    return null;
end
$$;

-- Stores a run with its input and, unless it is queued, claims the conversation for it.
--
-- p: org_id, agent_id, conversation_id (null: the agent's default), queued, lease_token,
--    lease_ms, answers (ids of the tool calls that the input answers),
--    run {id, options, input, background, idempotency_key, request_hash, metadata,
--    callback_url, callback_method}
-- returns outcome:
--    ok        state          stored and claimed
--    queued    run_id, conversation_id   stored (this time or before), goes on without the caller
--    exists    run_id         this idempotency key was used for the same request
--    mismatch  run_id         ... for another request; nothing stored
--    busy      conversation_id, run_id, hanging   another run is not finished; nothing stored
--    pending   message_id, call_ids   calls wait for an approval, and this is not one
--    unasked   call_ids       an answer, but not to the calls that wait (none, or these)
--    not_found kind, id       nothing stored
create function remanence.run_start_v1(p jsonb) returns json
language plpgsql
as $$
declare
    conv remanence.conversations;
    run remanence.runs;
    asked jsonb := p -> 'run';
    queued boolean := (p ->> 'queued')::boolean;
    refusal jsonb;
begin
    perform remanence.enter_org(p ->> 'org_id');
    if p ->> 'conversation_id' is null then
        select * into conv from remanence.conversations
        where agent_id = p ->> 'agent_id' and is_default for update;
    else
        select * into conv from remanence.conversations
        where id = p ->> 'conversation_id'
            and agent_id = coalesce(p ->> 'agent_id', agent_id) for update;
    end if;
    if not found then
        return json_build_object(
            'outcome', 'not_found',
            'kind', case when p ->> 'conversation_id' is null then 'agent' else 'conversation' end,
            'id', coalesce(p ->> 'conversation_id', p ->> 'agent_id'));
    end if;
    select * into run from remanence.runs where id = asked ->> 'id';
    if found then  -- the same call again, its first answer was lost on the way
        if run.status = 'running' and conv.lease_token = p ->> 'lease_token' then
            return remanence.claim_v1(
                conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer, false);
        end if;
        return json_build_object(
            'outcome', 'queued', 'run_id', run.id, 'conversation_id', conv.id);
    end if;
    if asked ->> 'idempotency_key' is not null then
        select * into run from remanence.runs
        where conversation_id = conv.id and idempotency_key = asked ->> 'idempotency_key';
        if found then
            return json_build_object(
                'outcome', case when run.request_hash = asked ->> 'request_hash'
                    then 'exists' else 'mismatch' end,
                'run_id', run.id);
        end if;
    end if;
    select * into run from remanence.runs
    where conversation_id = conv.id and status in ('created', 'running') order by ord limit 1;
    if found and not queued then
        return json_build_object(
            'outcome', 'busy', 'conversation_id', conv.id, 'run_id', run.id,
            'hanging', coalesce(conv.lease_until <= clock_timestamp(), true));
    end if;
    refusal := remanence.approval_refusal_v1(conv, p);
    if refusal is not null then
        return refusal;
    end if;
    insert into remanence.runs (
        id, org_id, agent_id, conversation_id, ord, status, background, options, input,
        idempotency_key, request_hash, metadata, callback_url, callback_method, started_at)
    values (
        asked ->> 'id', conv.org_id, conv.agent_id, conv.id, conv.next_ord,
        case when queued then 'created' else 'running' end,
        (asked ->> 'background')::boolean, asked -> 'options', asked -> 'input',
        asked ->> 'idempotency_key', asked ->> 'request_hash',
        coalesce(asked -> 'metadata', '{}'), asked ->> 'callback_url',
        asked ->> 'callback_method', case when not queued then clock_timestamp() end)
    returning * into run;
    if queued then
        update remanence.conversations set next_ord = next_ord + 1 where id = conv.id;
        return json_build_object(
            'outcome', 'queued', 'run_id', run.id, 'conversation_id', conv.id);
    end if;
    conv.next_ord := conv.next_ord + 1;
    return remanence.claim_v1(
        conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer, true);
end
$$;

-- Claims a conversation for the next step of its oldest unfinished run.
--
-- p: org_id, conversation_id, lease_token, lease_ms
-- returns outcome: ok (state) | idle | busy (run_id, retry_after_ms) | not_found
create function remanence.step_begin_v1(p jsonb) returns json
language plpgsql
as $$
declare
    conv remanence.conversations;
    run remanence.runs;
    is_new boolean;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    if not found then
        return json_build_object(
            'outcome', 'not_found', 'kind', 'conversation', 'id', p ->> 'conversation_id');
    end if;
    select * into run from remanence.runs
    where conversation_id = conv.id and status in ('created', 'running') order by ord limit 1;
    if not found then
        return json_build_object('outcome', 'idle');
    end if;
    if conv.lease_until > clock_timestamp() and conv.lease_token <> p ->> 'lease_token' then
        return json_build_object(
            'outcome', 'busy', 'conversation_id', conv.id, 'run_id', run.id, 'retry_after_ms',
            ceil(extract(epoch from conv.lease_until - clock_timestamp()) * 1000)::integer);
    end if;
    is_new := run.status = 'created';
    if is_new then
        update remanence.runs set status = 'running', started_at = clock_timestamp()
        where id = run.id returning * into run;
    end if;
    return remanence.claim_v1(
        conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer, is_new);
end
$$;
