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
language sql
as $$
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
$$;

-- The blocks attached to an agent, in their order.
create function remanence.agent_blocks_v1(p_agent_id text) returns jsonb
language sql
as $$
    select coalesce(jsonb_agg(to_jsonb(block) order by link.position), '[]')
    from remanence.agents_blocks as link
    join remanence.blocks as block on block.id = link.block_id
    where link.agent_id = p_agent_id
$$;

-- What lies outside the window. The count of passages stops at 10,001: it says "more".
create function remanence.memory_counts_v1(p_agent_id text, p_window_from_seq bigint) returns jsonb
language sql
as $$
    select jsonb_build_object(
        'recall', p_window_from_seq - 1,
        'archival', (
            select count(*) from (
                select from remanence.archives_agents as link
                join remanence.passages as passage on passage.archive_id = link.archive_id
                where link.agent_id = p_agent_id
                limit 10001) as counted),
        'archival_tags', (
            select coalesce(jsonb_agg(distinct tag), '[]')
            from (
                select passage.tags
                from remanence.archives_agents as link
                join remanence.passages as passage on passage.archive_id = link.archive_id
                where link.agent_id = p_agent_id and passage.tags <> '{}'
                order by passage.created_at desc
                limit 200) as recent, unnest(recent.tags) as tag))
$$;

-- Everything one step of a run reads.
create function remanence.step_state_v1(p_conversation_id text, p_run_id text) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
begin
    select * into strict conv from remanence.conversations where id = p_conversation_id;
    return remanence.agent_state_v1(conv.agent_id) || jsonb_build_object(
        'blocks', remanence.agent_blocks_v1(conv.agent_id),
        'conversation', to_jsonb(conv),
        'counts', remanence.memory_counts_v1(conv.agent_id, conv.window_from_seq),
        'run', (  -- of a conversation that is only looked at: its newest
            select to_jsonb(run) - 'input' from remanence.runs as run
            where run.conversation_id = conv.id and run.id = coalesce(p_run_id, run.id)
            order by run.ord desc limit 1),
        'steps', (
            select jsonb_build_object(
                'done', count(*),
                'called_tools', coalesce((
                    select jsonb_agg(called order by earlier.step_no, place)
                    from remanence.steps as earlier,
                         unnest(earlier.called_tools) with ordinality as names (called, place)
                    where earlier.run_id = p_run_id), '[]'),
                'prompt_tokens', coalesce(sum(prompt_tokens), 0),
                'completion_tokens', coalesce(sum(completion_tokens), 0),
                'cached_input_tokens', coalesce(sum(cached_input_tokens), 0),
                'cache_write_tokens', coalesce(sum(cache_write_tokens), 0),
                'reasoning_tokens', coalesce(sum(reasoning_tokens), 0))
            from remanence.steps where run_id = p_run_id),
        'summaries', (
            select coalesce(jsonb_agg(to_jsonb(leaf) order by leaf.from_seq), '[]')
            from remanence.summaries as leaf
            where leaf.conversation_id = conv.id and leaf.parent_id is null),
        'window', (
            select coalesce(jsonb_agg(to_jsonb(message) - 'lexemes' order by message.seq), '[]')
            from remanence.messages as message
            where message.conversation_id = conv.id and message.seq >= conv.window_from_seq));
end
$$;

-- Claims the conversation for a worker and puts the input of its oldest unfinished run into the
-- history. The caller holds the row lock on the conversation and has seen that the lease is free.
create function remanence.claim_v1(
    p_conv remanence.conversations, p_run remanence.runs, p_token text, p_lease_ms integer)
returns jsonb
language plpgsql
as $$
declare
    first_seq bigint := p_conv.next_seq;
    window_from bigint := p_conv.window_from_seq;
    added integer := 0;
begin
    if p_run.status = 'created' then
        if (select message_buffer_autoclear from remanence.agents where id = p_conv.agent_id) then
            window_from := first_seq;
        end if;
        insert into remanence.messages (
            conversation_id, seq, id, org_id, agent_id, run_id, role, parts, name, otid,
            sender_id, tokens, created_at)
        select p_conv.id, first_seq + place - 1, item ->> 'id', p_conv.org_id, p_conv.agent_id,
            p_run.id, item ->> 'role', item -> 'parts', item ->> 'name', item ->> 'otid',
            item ->> 'sender_id', (item ->> 'tokens')::integer, clock_timestamp()
        from jsonb_array_elements(p_run.input) with ordinality as items (item, place);
        get diagnostics added = row_count;
        update remanence.runs set status = 'running', started_at = clock_timestamp()
        where id = p_run.id;
    end if;
    update remanence.conversations
    set fence = fence + (lease_token is distinct from p_token)::integer,
        lease_token = p_token,
        lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond',
        claims = claims + 1,
        pending_message_id = case when added > 0 then null else pending_message_id end,
        pending_call_ids = case when added > 0 then '{}' else pending_call_ids end,
        pending_since = case when added > 0 then null else pending_since end,
        next_seq = first_seq + added,
        window_from_seq = window_from,
        last_message_at = case when added > 0 then clock_timestamp() else last_message_at end
    where id = p_conv.id;
    -- A step that was begun more than five times is only given up (MAX_CLAIMS of engine/step.py),
    -- and what kills its workers may be the size of what they load.
    return jsonb_build_object('outcome', 'ok', 'state',
        remanence.step_state_v1(p_conv.id, p_run.id)
        || case when p_conv.claims >= 5 then jsonb '{"window": []}' else jsonb '{}' end);
end
$$;

-- Whether calls of a conversation wait for an approval. A request that nobody answered for a
-- month is given up: any input may follow it.
create function remanence.approval_waits_v1(p_conv remanence.conversations) returns boolean
language sql stable
as $$
    select p_conv.pending_message_id is not null
        and p_conv.pending_since > clock_timestamp() - interval '30 days'
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
create function remanence.run_start_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
    run remanence.runs;
    asked jsonb := p -> 'run';
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
        return jsonb_build_object(
            'outcome', 'not_found',
            'kind', case when p ->> 'conversation_id' is null then 'agent' else 'conversation' end,
            'id', coalesce(p ->> 'conversation_id', p ->> 'agent_id'));
    end if;
    select * into run from remanence.runs where id = asked ->> 'id';
    if found then  -- the same call again, its first answer was lost on the way
        if run.status = 'running' and conv.lease_token = p ->> 'lease_token' then
            return remanence.claim_v1(conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer);
        end if;
        return jsonb_build_object(
            'outcome', 'queued', 'run_id', run.id, 'conversation_id', conv.id);
    end if;
    if asked ->> 'idempotency_key' is not null then
        select * into run from remanence.runs
        where conversation_id = conv.id and idempotency_key = asked ->> 'idempotency_key';
        if found then
            return jsonb_build_object(
                'outcome', case when run.request_hash = asked ->> 'request_hash'
                    then 'exists' else 'mismatch' end,
                'run_id', run.id);
        end if;
    end if;
    select * into run from remanence.runs
    where conversation_id = conv.id and status in ('created', 'running') order by ord limit 1;
    if found and not (p ->> 'queued')::boolean then
        return jsonb_build_object(
            'outcome', 'busy', 'conversation_id', conv.id, 'run_id', run.id,
            'hanging', coalesce(conv.lease_until <= clock_timestamp(), true));
    end if;
    refusal := remanence.approval_refusal_v1(conv, p);
    if refusal is not null then
        return refusal;
    end if;
    insert into remanence.runs (
        id, org_id, agent_id, conversation_id, ord, status, background, options, input,
        idempotency_key, request_hash, metadata, callback_url, callback_method)
    values (
        asked ->> 'id', conv.org_id, conv.agent_id, conv.id, conv.next_ord, 'created',
        (asked ->> 'background')::boolean, asked -> 'options', asked -> 'input',
        asked ->> 'idempotency_key', asked ->> 'request_hash',
        coalesce(asked -> 'metadata', '{}'), asked ->> 'callback_url',
        asked ->> 'callback_method')
    returning * into run;
    update remanence.conversations set next_ord = next_ord + 1 where id = conv.id;
    if (p ->> 'queued')::boolean then
        return jsonb_build_object(
            'outcome', 'queued', 'run_id', run.id, 'conversation_id', conv.id);
    end if;
    return remanence.claim_v1(conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer);
end
$$;

-- Claims a conversation for the next step of its oldest unfinished run.
--
-- p: org_id, conversation_id, lease_token, lease_ms
-- returns outcome: ok (state) | idle | busy (run_id, retry_after_ms) | not_found
create function remanence.step_begin_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
    run remanence.runs;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'conversation', 'id', p ->> 'conversation_id');
    end if;
    select * into run from remanence.runs
    where conversation_id = conv.id and status in ('created', 'running') order by ord limit 1;
    if not found then
        return jsonb_build_object('outcome', 'idle');
    end if;
    if conv.lease_until > clock_timestamp() and conv.lease_token <> p ->> 'lease_token' then
        return jsonb_build_object(
            'outcome', 'busy', 'conversation_id', conv.id, 'run_id', run.id, 'retry_after_ms',
            ceil(extract(epoch from conv.lease_until - clock_timestamp()) * 1000)::integer);
    end if;
    return remanence.claim_v1(conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer);
end
$$;
