-- The second half of a step: its outcome, written whole or not at all.

-- Applies the edits a step made to blocks. Every row is locked and compared before the first
-- write, in the order of ids (two commits that share blocks cannot deadlock).
-- Returns false, with nothing written, when a block is no longer the one the step has read.
create function remanence.write_blocks_v1(
    p_org_id text, p_agent_id text, p_step_id text, p_blocks jsonb) returns boolean
language plpgsql
as $$
declare
    stale boolean;
begin
    perform from remanence.blocks
    where id in (select edit ->> 'id' from jsonb_array_elements(p_blocks -> 'edited') as edit)
    order by id for update;
    select bool_or(block.id is null or block.version <> (edit ->> 'base_version')::integer)
    into stale
    from jsonb_array_elements(p_blocks -> 'edited') as edit
    left join (
        remanence.blocks as block
        join remanence.agents_blocks as link
            on link.block_id = block.id and link.agent_id = p_agent_id)
        on block.id = edit ->> 'id';
    if stale or exists (
        select from jsonb_array_elements(p_blocks -> 'created') as made
        join remanence.agents_blocks as link
            on link.agent_id = p_agent_id and link.label = made ->> 'label'
        where not p_blocks -> 'detached' ? link.block_id
            and not exists (  -- renamed away by the same step
                select from jsonb_array_elements(p_blocks -> 'edited') as edit
                where edit ->> 'id' = link.block_id and edit ->> 'label' <> link.label))
    then
        return false;
    end if;

    -- a shared block is renamed for all agents that have it: each must have the label free
    if exists (
        select from jsonb_array_elements(p_blocks -> 'edited') as edit
        join remanence.agents_blocks as renamed
            on renamed.block_id = edit ->> 'id' and renamed.label <> edit ->> 'label'
            and renamed.agent_id <> p_agent_id
        join remanence.agents_blocks as taken
            on taken.agent_id = renamed.agent_id and taken.label = edit ->> 'label')
    then
        raise unique_violation using message =
            'another agent that shares the renamed block has a block with that label';
    end if;

    begin
        -- labels may change hands within a step: they are compared when all have moved
        set constraints remanence.agents_blocks_label_unique deferred;
        delete from remanence.agents_blocks
        where agent_id = p_agent_id
            and block_id in (select jsonb_array_elements_text(p_blocks -> 'detached'));
        update remanence.blocks as block
        set value = edit ->> 'value', label = edit ->> 'label', description = edit ->> 'description',
            version = block.version + 1, updated_at = clock_timestamp()
        from jsonb_array_elements(p_blocks -> 'edited') as edit
        where block.id = edit ->> 'id';
        update remanence.agents_blocks as link
        set label = edit ->> 'label'
        from jsonb_array_elements(p_blocks -> 'edited') as edit
        where link.block_id = edit ->> 'id' and link.label <> edit ->> 'label';
        insert into remanence.blocks (id, org_id, label, value, "limit", description)
        select made ->> 'id', p_org_id, made ->> 'label', made ->> 'value',
            (made ->> 'limit')::integer, made ->> 'description'
        from jsonb_array_elements(p_blocks -> 'created') as made;
        insert into remanence.agents_blocks (org_id, agent_id, block_id, label, position)
        select p_org_id, p_agent_id, made ->> 'id', made ->> 'label',
            place + coalesce((
                select max(position) from remanence.agents_blocks where agent_id = p_agent_id), 0)
        from jsonb_array_elements(p_blocks -> 'created') with ordinality as items (made, place);
        insert into remanence.block_versions (
            org_id, block_id, version, value, step_id, tool_call_id)
        select p_org_id, change ->> 'id', coalesce((change ->> 'base_version')::integer, 0) + 1,
            change ->> 'value', p_step_id, change ->> 'tool_call_id'
        from jsonb_array_elements(p_blocks -> 'edited' || (p_blocks -> 'created')) as change;
        set constraints remanence.agents_blocks_label_unique immediate;
    exception
        when unique_violation then  -- a block with that label was attached at this moment
            return false;
    end;
    return true;
end
$$;

-- The archive an agent's own insertions go to, made on first use.
create function remanence.own_archive_v1(p_agent remanence.agents, p_new_id text) returns text
language plpgsql
as $$
declare
    own text;
begin
    select link.archive_id into own from remanence.archives_agents as link
    where link.agent_id = p_agent.id
    order by link.is_owner desc, link.created_at limit 1;
    if own is null then
        insert into remanence.archives (id, org_id, name, embedding)
        values (p_new_id, p_agent.org_id, p_agent.name || '''s archive', p_agent.embedding);
        insert into remanence.archives_agents (org_id, agent_id, archive_id, is_owner)
        values (p_agent.org_id, p_agent.id, p_new_id, true);
        own := p_new_id;
    end if;
    return own;
end
$$;

-- Inserts passages with their vectors: [{id, text, tags, metadata, tool_call_id, created_at,
-- embedding, embedding_model}], the embedding being an array of numbers or null.
create function remanence.insert_passages_v1(
    p_org_id text, p_archive_id text, p_step_id text, p_passages jsonb) returns void
language plpgsql
as $$
begin
    insert into remanence.passages (
        id, org_id, archive_id, text, tags, metadata, step_id, tool_call_id, created_at)
    select item ->> 'id', p_org_id, p_archive_id, item ->> 'text',
        array(select jsonb_array_elements_text(item -> 'tags')),
        coalesce(item -> 'metadata', '{}'), p_step_id, item ->> 'tool_call_id',
        coalesce((item ->> 'created_at')::timestamptz, clock_timestamp())
    from jsonb_array_elements(p_passages) as item
    on conflict (id) do nothing;
    insert into remanence.passage_vectors (
        passage_id, org_id, archive_id, model, dimensions, embedding)
    select item ->> 'id', p_org_id, p_archive_id, item ->> 'embedding_model',
        jsonb_array_length(item -> 'embedding'),
        remanence.to_halfvec(array(
            select value::real from jsonb_array_elements_text(item -> 'embedding') as value))
    from jsonb_array_elements(p_passages) as item
    where jsonb_typeof(item -> 'embedding') = 'array'
    on conflict (passage_id) do nothing;
end
$$;

-- Moves the start of the window, and writes what stands for the messages before it.
-- eviction: {base_window_from_seq, window_from_seq, summaries [row ...], parents {child id: id}}
-- Returns false, with nothing written, when the window is not where the caller saw it.
create function remanence.move_window_v1(
    p_conv remanence.conversations, p_step_id text, p_eviction jsonb) returns boolean
language plpgsql
as $$
begin
    if p_conv.window_from_seq <> (p_eviction ->> 'base_window_from_seq')::bigint then
        return false;
    end if;
    insert into remanence.summaries (
        id, org_id, agent_id, conversation_id, level, from_seq, to_seq, text, tokens, model,
        step_id, created_at)
    select item ->> 'id', p_conv.org_id, p_conv.agent_id, p_conv.id, (item ->> 'level')::integer,
        (item ->> 'from_seq')::bigint, (item ->> 'to_seq')::bigint, item ->> 'text',
        (item ->> 'tokens')::integer, item ->> 'model', p_step_id, clock_timestamp()
    from jsonb_array_elements(p_eviction -> 'summaries') as item;
    update remanence.summaries as child
    set parent_id = link.value
    from jsonb_each_text(p_eviction -> 'parents') as link
    where child.id = link.key;
    update remanence.conversations
    set window_from_seq = (p_eviction ->> 'window_from_seq')::bigint
    where id = p_conv.id;
    return true;
end
$$;

-- Locks what a step that lost a race is going to write, and reads it: in the same transaction the
-- commit follows, so it cannot lose again. Waiters are served in order. Locks are taken in the
-- order of a commit: conversation, blocks by id.
--
-- p: org_id, conversation_id, run_id, step_no, lease_token,
--    hold_ms (how long it may take until the commit comes)
-- returns blocks; null when the step is committed already, and its answer was lost
create function remanence.step_lock_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
begin
    perform remanence.enter_org(p ->> 'org_id');
    -- a worker that falls asleep here must not keep all others waiting
    perform set_config('idle_in_transaction_session_timeout', p ->> 'hold_ms', true);
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    perform from remanence.blocks
    where id in (
        select block_id from remanence.agents_blocks where agent_id = conv.agent_id)
    order by id for update;
    return jsonb_build_object('blocks', case when not exists (
            select from remanence.steps
            where run_id = p ->> 'run_id' and step_no = (p ->> 'step_no')::integer
                and lease_token = p ->> 'lease_token')
        then remanence.agent_blocks_v1(conv.agent_id) end);
end
$$;

-- Commits one step, or says why not, with nothing written.
--
-- p: org_id, conversation_id, run_id, lease_token, fence, lease_ms (0: hand over), agent_version,
--    known_blocks {id: version} as they will be after this commit,
--    step {row of steps}, messages [row ...], blocks {edited, created, detached},
--    passages [...], new_archive_id, eviction | null, anchor, window_tokens, epoch | null,
--    epoch_seen | null,
--    finish | null {status, stop_reason, error, ttft_ns},
--    pending | null {message_id, call_ids}: calls that wait for an approval
-- returns outcome:
--    ok        next_seq, cancel_requested, more (another run waits),
--              committed_at (of what was written: the clocks of workers may differ, so their
--              messages are dated here, or a worker behind would write into the past);
--              agent, tools, blocks, counts when others changed them meanwhile
--    conflict  blocks: a block the step edited has changed; apply the reply to these and commit
--    cancelled somebody asked the run to stop: commit it as a cancelled step instead
--    gone      the conversation was deleted
--    lost      the lease is gone: this worker stops
create function remanence.step_commit_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
    run remanence.runs;
    agent remanence.agents;
    step jsonb := p -> 'step';
    finish jsonb := nullif(p -> 'finish', 'null');
    added integer := jsonb_array_length(p -> 'messages');
    hands_over boolean := (p ->> 'lease_ms')::integer = 0;
    moment timestamptz;
    is_known boolean;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    if not found then
        return jsonb_build_object('outcome', 'gone');
    end if;
    select created_at into moment from remanence.steps
    where run_id = p ->> 'run_id' and step_no = (step ->> 'step_no')::integer
        and lease_token = p ->> 'lease_token';
    is_known := found;
    select * into run from remanence.runs where id = p ->> 'run_id';
    if is_known then  -- the same commit again, its first answer was lost on the way
        return remanence.committed_v1(conv, p, moment, run.cancel_requested);
    end if;
    if conv.lease_token is distinct from p ->> 'lease_token'
        or conv.fence <> (p ->> 'fence')::bigint
    then
        return jsonb_build_object('outcome', 'lost');
    end if;
    if jsonb_typeof(p -> 'eviction') = 'object'
        and conv.window_from_seq <> (p -> 'eviction' ->> 'base_window_from_seq')::bigint
    then  -- the sweep compacted while this worker slept past its lease
        return jsonb_build_object('outcome', 'lost');
    end if;
    if step ->> 'status' <> 'cancelled' and run.cancel_requested then
        return jsonb_build_object('outcome', 'cancelled');
    end if;
    if p -> 'blocks' <> '{"edited": [], "created": [], "detached": []}'
        and not remanence.write_blocks_v1(
            conv.org_id, conv.agent_id, step ->> 'id', p -> 'blocks')
    then
        return jsonb_build_object(
            'outcome', 'conflict', 'blocks', remanence.agent_blocks_v1(conv.agent_id));
    end if;

    moment := clock_timestamp();
    insert into remanence.messages (
        conversation_id, seq, id, org_id, agent_id, run_id, step_id, role, parts, name, otid,
        tokens, created_at)
    select conv.id, conv.next_seq + place - 1, item ->> 'id', conv.org_id, conv.agent_id,
        p ->> 'run_id', step ->> 'id', item ->> 'role', item -> 'parts', item ->> 'name',
        item ->> 'otid', (item ->> 'tokens')::integer, moment
    from jsonb_array_elements(p -> 'messages') with ordinality as items (item, place);
    insert into remanence.steps (
        id, org_id, agent_id, conversation_id, run_id, step_no, lease_token, status, stop_reason,
        model, context_window_limit, prompt_tokens, completion_tokens, cached_input_tokens,
        cache_write_tokens, reasoning_tokens, called_tools, error, receipt, llm_ns, step_ns,
        started_at, created_at)
    values (
        step ->> 'id', conv.org_id, conv.agent_id, conv.id, p ->> 'run_id',
        (step ->> 'step_no')::integer, p ->> 'lease_token', step ->> 'status',
        step ->> 'stop_reason', step ->> 'model', (step ->> 'context_window_limit')::integer,
        (step ->> 'prompt_tokens')::integer, (step ->> 'completion_tokens')::integer,
        (step ->> 'cached_input_tokens')::integer, (step ->> 'cache_write_tokens')::integer,
        (step ->> 'reasoning_tokens')::integer,
        array(select jsonb_array_elements_text(step -> 'called_tools')),
        nullif(step -> 'error', 'null'), step -> 'receipt', (step ->> 'llm_ns')::bigint,
        (step ->> 'step_ns')::bigint, (step ->> 'started_at')::timestamptz, moment);
    if p -> 'passages' <> '[]' then
        select * into strict agent from remanence.agents where id = conv.agent_id;
        perform remanence.insert_passages_v1(
            conv.org_id, remanence.own_archive_v1(agent, p ->> 'new_archive_id'),
            step ->> 'id', p -> 'passages');
    end if;
    if jsonb_typeof(p -> 'eviction') = 'object' then
        perform remanence.move_window_v1(conv, step ->> 'id', p -> 'eviction');
    end if;
    if finish is not null then
        update remanence.runs
        set status = finish ->> 'status', stop_reason = finish ->> 'stop_reason',
            error = nullif(finish -> 'error', 'null'),
            ttft_ns = coalesce(ttft_ns, (finish ->> 'ttft_ns')::bigint), completed_at = moment,
            callback_due_at = case when callback_url is not null then moment end
        where id = run.id;
        update remanence.agents
        set last_stop_reason = finish ->> 'stop_reason', last_run_completion = moment,
            last_run_duration_ms = extract(epoch from moment - run.started_at) * 1000
        where id = conv.agent_id;
    end if;
    update remanence.conversations
    set next_seq = next_seq + added,
        anchor = coalesce(nullif(p -> 'anchor', 'null'), anchor),
        window_tokens = coalesce((p ->> 'window_tokens')::integer, window_tokens),
        epoch = coalesce(nullif(p -> 'epoch', 'null'), epoch),
        epoch_seen = coalesce(nullif(p -> 'epoch_seen', 'null'), epoch_seen),
        last_message_at = moment,
        claims = 0,
        pending_message_id = p -> 'pending' ->> 'message_id',
        pending_call_ids = array(
            select jsonb_array_elements_text(coalesce(p -> 'pending' -> 'call_ids', '[]'))),
        pending_since = case when jsonb_typeof(p -> 'pending') = 'object' then moment end,
        lease_token = case when finish is null and not hands_over then lease_token end,
        lease_until = case when finish is null and not hands_over
            then moment + (p ->> 'lease_ms')::integer * interval '1 millisecond' end
    where id = conv.id
    returning * into conv;
    return remanence.committed_v1(conv, p, moment, run.cancel_requested);
end
$$;

-- The answer of a commit: where the conversation stands, and what others changed meanwhile.
create function remanence.committed_v1(
    p_conv remanence.conversations, p jsonb, p_moment timestamptz, p_cancel_requested boolean)
returns jsonb
language plpgsql
as $$
declare
    answer jsonb;
    changed boolean;
begin
    answer := jsonb_build_object(
        'outcome', 'ok',
        'next_seq', p_conv.next_seq,
        'committed_at', p_moment,
        'cancel_requested', p_cancel_requested,
        'more', exists (
            select from remanence.runs
            where conversation_id = p_conv.id and status in ('created', 'running')
                and id <> p ->> 'run_id'));
    if jsonb_typeof(p -> 'finish') = 'object' then
        return answer;  -- nobody reads the rest
    end if;
    select agent.version <> (p ->> 'agent_version')::integer into changed
    from remanence.agents as agent where agent.id = p_conv.agent_id;
    if changed then
        answer := answer || remanence.agent_state_v1(p_conv.agent_id);
    end if;
    if p -> 'passages' <> '[]' then
        answer := answer || jsonb_build_object(
            'counts', remanence.memory_counts_v1(p_conv.agent_id, p_conv.window_from_seq));
    end if;
    select coalesce(jsonb_object_agg(block.id, block.version), '{}') <> p -> 'known_blocks'
    into changed
    from remanence.agents_blocks as link
    join remanence.blocks as block on block.id = link.block_id
    where link.agent_id = p_conv.agent_id;
    if changed then
        answer := answer || jsonb_build_object(
            'blocks', remanence.agent_blocks_v1(p_conv.agent_id));
    end if;
    return answer;
end
$$;

-- Commits a compaction that was prepared outside any lease.
--
-- p: org_id, conversation_id, eviction (see move_window_v1), window_tokens
-- returns outcome: ok | busy (a step is running) | moved (the window is elsewhere by now)
create function remanence.compact_commit_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    if not found then
        return jsonb_build_object('outcome', 'moved');
    end if;
    -- also after the lease has run out: its worker may be late, and still commit what it planned
    if conv.lease_token is not null then
        return jsonb_build_object('outcome', 'busy');
    end if;
    if not remanence.move_window_v1(conv, null, p -> 'eviction') then
        return jsonb_build_object('outcome', 'moved');
    end if;
    -- the size of the next request changed by far more than the anchor can follow
    update remanence.conversations
    set window_tokens = (p ->> 'window_tokens')::integer, anchor = p -> 'anchor'
    where id = conv.id;
    return jsonb_build_object('outcome', 'ok');
end
$$;

-- Asks runs to stop. One that nobody is working on stops here and now; one that is being stepped
-- is marked, and its worker stops at the next look.
--
-- p: org_id, agent_id | null, conversation_id | null, run_ids [..] | null (all unfinished ones)
-- returns [{id, status}] of the runs that were unfinished
create function remanence.run_cancel_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    run remanence.runs;
    held boolean;
    answer jsonb := '[]';
begin
    perform remanence.enter_org(p ->> 'org_id');
    for run in
        select * from remanence.runs
        where status in ('created', 'running')
            and agent_id = coalesce(p ->> 'agent_id', agent_id)
            and conversation_id = coalesce(p ->> 'conversation_id', conversation_id)
            and (p ->> 'run_ids' is null or p -> 'run_ids' ? id)
        order by conversation_id, ord
    loop
        -- the conversation is locked first, as in every other function
        select coalesce(lease_until > clock_timestamp(), false) into held
        from remanence.conversations where id = run.conversation_id for update;
        update remanence.runs
        set cancel_requested = true,
            status = case when held and status = 'running' then status else 'cancelled' end,
            stop_reason = case when held and status = 'running' then null else 'cancelled' end,
            completed_at = case when held and status = 'running' then null
                else clock_timestamp() end,
            callback_due_at = case when callback_url is not null
                and not (held and status = 'running') then clock_timestamp() end
        where id = run.id and status in ('created', 'running')
        returning * into run;
        if found and not held and run.started_at is not null then
            -- a worker that comes back after its lease must find it gone
            update remanence.conversations
            set fence = fence + 1, lease_token = null, lease_until = null
            where id = run.conversation_id;
        end if;
        if found then
            answer := answer || jsonb_build_object('id', run.id, 'status', run.status);
        end if;
    end loop;
    -- calls that wait for an approval are given up; the run that made them is over already
    for run in
        update remanence.conversations as conv
        set pending_message_id = null, pending_call_ids = '{}', pending_since = null
        from remanence.messages as message
        join remanence.runs as asking on asking.id = message.run_id
        where message.id = conv.pending_message_id
            and conv.agent_id = coalesce(p ->> 'agent_id', conv.agent_id)
            and conv.id = coalesce(p ->> 'conversation_id', conv.id)
            and (p ->> 'run_ids' is null or p -> 'run_ids' ? asking.id)
        returning asking.*
    loop
        answer := answer || jsonb_build_object('id', run.id, 'status', 'cancelled');
    end loop;
    return answer;
end
$$;

-- What the schedule has to look at, over all organizations: ids only, nothing of anybody's.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.sweep_v1(
    p_limit integer, p_hanging_after_ms integer, p_share real)
returns table (kind text, org_id text, conversation_id text, run_id text)
language sql stable security definer
set search_path = ''
as $$
    (select distinct 'hanging', run.org_id, run.conversation_id, null
     from remanence.runs as run
     join remanence.conversations as conv on conv.id = run.conversation_id
     where run.status in ('created', 'running')
        and run.created_at < pg_catalog.clock_timestamp()
            - p_hanging_after_ms * interval '1 millisecond'
        and (conv.lease_until is null or conv.lease_until < pg_catalog.clock_timestamp())
     limit p_limit)
    union all
    (select 'large', conv.org_id, conv.id, null
     from remanence.conversations as conv
     join remanence.agents as agent on agent.id = conv.agent_id
     where conv.window_tokens > 0
        and conv.window_tokens > agent.context_window_limit * p_share
        and conv.lease_token is null
        and (conv.compaction_tried_at is null or conv.compaction_tried_at < conv.last_message_at)
     order by conv.window_tokens::real / agent.context_window_limit desc
     limit p_limit)
    union all
    (select 'callback', run.org_id, run.conversation_id, run.id
     from remanence.runs as run
     where run.callback_due_at <= pg_catalog.clock_timestamp()
     order by run.callback_due_at
     limit p_limit)
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
