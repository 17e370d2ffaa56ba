-- A compaction is claimed before a model is asked for its summary, so that two sweeps, or a sweep
-- and a caller, do not both pay for it; and a summary says who wrote it and whether code stood in
-- for a model that could not be asked, so that the schedule writes it anew.

alter table remanence.summaries
    add column is_stand_in boolean not null default false,  -- no model could be asked for it yet
    add column prompt_version text,  -- which prompt asked for it; null: code wrote it
    add column author text;          -- whose work: step, schedule, caller or import; null: unknown

alter table remanence.conversations
    add column has_stand_in boolean not null default false,  -- in view: due in the sweep
    add column compaction_token text,        -- who is compacting it
    add column compaction_until timestamptz; -- the claim ends by itself then

-- Moves the start of the window, and writes what stands for the messages before it.
-- eviction: {base_window_from_seq, window_from_seq, summaries [row ...], parents {child id: id}}
-- Returns false, with nothing written, when the window is not where the caller saw it.
create or replace function remanence.move_window_v1(
    p_conv remanence.conversations, p_step_id text, p_eviction jsonb) returns boolean
language plpgsql
as $$
begin
    if p_conv.window_from_seq <> (p_eviction ->> 'base_window_from_seq')::bigint then
        return false;
    end if;
    insert into remanence.summaries (
        id, org_id, agent_id, conversation_id, level, from_seq, to_seq, text, tokens, model,
        is_stand_in, prompt_version, author, step_id, created_at)
    select item ->> 'id', p_conv.org_id, p_conv.agent_id, p_conv.id, (item ->> 'level')::integer,
        (item ->> 'from_seq')::bigint, (item ->> 'to_seq')::bigint, item ->> 'text',
        (item ->> 'tokens')::integer, item ->> 'model',
        -- earlier code does not say: what it writes in a step is made by code
        coalesce((item ->> 'is_stand_in')::boolean, p_step_id is not null),
        item ->> 'prompt_version',
        coalesce(item ->> 'author', case when p_step_id is not null then 'step' else 'schedule' end),
        p_step_id, clock_timestamp()
    from jsonb_array_elements(p_eviction -> 'summaries') as item;
    update remanence.summaries as child
    set parent_id = link.value
    from jsonb_each_text(p_eviction -> 'parents') as link
    where child.id = link.key;
    update remanence.conversations
    set window_from_seq = (p_eviction ->> 'window_from_seq')::bigint,
        has_stand_in = exists (
            select from remanence.summaries as root
            where root.conversation_id = p_conv.id and root.parent_id is null
                and root.is_stand_in)
    where id = p_conv.id;
    return true;
end
$$;

-- Commits a compaction that was prepared outside any lease, and gives its claim back.
--
-- p: org_id, conversation_id, token, eviction (see move_window_v1), window_tokens, anchor
-- returns outcome: ok | busy (a step is running) | moved (the window is elsewhere by now, or the
-- claim is lost: somebody else took it, or the history was emptied)
create function remanence.compact_commit_v2(p jsonb) returns jsonb
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
    -- sent again because its answer was lost
    if exists (
        select from remanence.summaries
        where id = p -> 'eviction' -> 'summaries' -> 0 ->> 'id' and conversation_id = conv.id)
    then
        return jsonb_build_object('outcome', 'ok');
    end if;
    if conv.compaction_token is distinct from p ->> 'token' then
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
    set window_tokens = (p ->> 'window_tokens')::integer, anchor = p -> 'anchor',
        compaction_token = null, compaction_until = null
    where id = conv.id;
    return jsonb_build_object('outcome', 'ok');
end
$$;

revoke all on function remanence.compact_commit_v2(jsonb) from public;
grant execute on function remanence.compact_commit_v2(jsonb) to remanence_app;

-- What the schedule has to look at, over all organizations: ids only, nothing of anybody's.
-- Of each kind at most p_limit: the most urgent of every organization, then the second of every
-- one, and so on. `large`: over its share of the window, or with a summary that waits for a model;
-- nobody else is compacting it, and more was said since it could not be.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create or replace function remanence.sweep_v1(
    p_limit integer, p_hanging_after_ms integer, p_share real)
returns table (kind text, org_id text, conversation_id text, run_id text)
language sql stable security definer
set search_path = ''
as $$
    (select 'hanging', run.org_id, run.conversation_id, null
     from remanence.runs as run
     join remanence.conversations as conv on conv.id = run.conversation_id
     where run.status in ('created', 'running')
        and run.created_at < pg_catalog.clock_timestamp()
            - p_hanging_after_ms * interval '1 millisecond'
        and (conv.lease_until is null or conv.lease_until < pg_catalog.clock_timestamp())
     group by run.org_id, run.conversation_id
     order by pg_catalog.row_number() over (
            partition by run.org_id order by pg_catalog.min(run.created_at)),
        pg_catalog.min(run.created_at)
     limit p_limit)
    union all
    (select 'large', conv.org_id, conv.id, null
     from remanence.conversations as conv
     join remanence.agents as agent on agent.id = conv.agent_id
     where (conv.has_stand_in
            or (conv.window_tokens > 0
                and conv.window_tokens > agent.context_window_limit * p_share))
        and conv.lease_token is null
        and (conv.compaction_until is null
            or conv.compaction_until < pg_catalog.clock_timestamp())
        and (conv.compaction_tried_at is null or conv.compaction_tried_at < conv.last_message_at)
     order by pg_catalog.row_number() over (
            partition by conv.org_id
            order by conv.window_tokens::real / agent.context_window_limit desc),
        conv.window_tokens::real / agent.context_window_limit desc
     limit p_limit)
    union all
    (select 'callback', run.org_id, run.conversation_id, run.id
     from remanence.runs as run
     where run.callback_due_at <= pg_catalog.clock_timestamp()
     order by pg_catalog.row_number() over (
            partition by run.org_id order by run.callback_due_at),
        run.callback_due_at
     limit p_limit)
$$;

-- Empties the default conversation of an agent: its messages, its summaries, its window.
--
-- p: org_id, agent_id
-- returns outcome: ok | busy (conversation_id, run_id) | not_found (kind, id); only ok has
--    written anything. A run that nobody works on any more is cancelled, and whoever comes back
--    to it finds that the fence has moved.
create or replace function remanence.messages_reset_v1(p jsonb) returns jsonb
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
        has_stand_in = false, compaction_token = null, compaction_until = null,
        pending_message_id = null, pending_call_ids = '{}', pending_since = null,
        updated_at = clock_timestamp()
    where id = conv.id;
    return '{"outcome": "ok"}';
end
$$;

-- The rows of a fork: messages, summaries, and where its window begins.
create or replace function remanence.copy_history_v1(
    p_source remanence.conversations, p_made remanence.conversations, p_last_seq bigint)
returns void
language plpgsql
as $$
begin
    insert into remanence.messages (
        conversation_id, seq, id, org_id, agent_id, role, parts, name, otid, sender_id, tokens,
        created_at)
    select p_made.id, message.seq, 'message-' || gen_random_uuid(), message.org_id,
        message.agent_id, message.role, message.parts, message.name, message.otid,
        message.sender_id, message.tokens, message.created_at
    from remanence.messages as message
    where message.conversation_id = p_source.id and message.seq <= p_last_seq;
    with chosen as materialized (
        select summary.id, 'summary-' || gen_random_uuid() as new_id
        from remanence.summaries as summary
        where summary.conversation_id = p_source.id and summary.to_seq <= p_last_seq
    )
    insert into remanence.summaries (
        id, org_id, agent_id, conversation_id, level, from_seq, to_seq, text, tokens, model,
        is_stand_in, prompt_version, author, parent_id, created_at)
    select chosen.new_id, summary.org_id, summary.agent_id, p_made.id, summary.level,
        summary.from_seq, summary.to_seq, summary.text, summary.tokens, summary.model,
        summary.is_stand_in, summary.prompt_version, summary.author, parent.new_id,
        summary.created_at
    from chosen
    join remanence.summaries as summary on summary.id = chosen.id
    left join chosen as parent on parent.id = summary.parent_id;
    update remanence.conversations as conv
    set window_from_seq = case
            when p_last_seq >= p_source.window_from_seq - 1 then p_source.window_from_seq
            else 1 + coalesce((
                select max(summary.to_seq) from remanence.summaries as summary
                where summary.conversation_id = p_made.id), 0) end,
        has_stand_in = exists (
            select from remanence.summaries as root
            where root.conversation_id = p_made.id and root.parent_id is null
                and root.is_stand_in)
    where conv.id = p_made.id;
    update remanence.conversations as conv
    set window_tokens = case
            when p_last_seq = p_source.next_seq - 1 then p_source.window_tokens
            else coalesce((
                select sum(message.tokens) from remanence.messages as message
                where message.conversation_id = conv.id
                    and message.seq >= conv.window_from_seq), 0) end
    where conv.id = p_made.id;
end
$$;
