-- Conversations beside an agent's default one: several histories over one memory; and archives that
-- agents share.
--
-- What a conversation has of its own is in its columns (history, window, lease) and in `extras`:
-- description, archived_at, hidden; and what it overrides of its agent while a step runs in it:
-- model, settings, context_window_limit, model_window (of the model, in tokens).

comment on column remanence.conversations.extras is
    'description, archived_at, hidden; model, settings, context_window_limit: instead of the agent''s';

-- A conversation as the API shows it, with the newest 500 messages in its context, in order.
create function remanence.conversation_view_v1(p_conv remanence.conversations) returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'id', p_conv.id,
        'agent_id', p_conv.agent_id,
        'is_default', p_conv.is_default,
        'summary', p_conv.summary,
        'extras', p_conv.extras,
        'last_message_at', p_conv.last_message_at,
        'created_at', p_conv.created_at,
        'updated_at', p_conv.updated_at,
        'message_ids', (
            select coalesce(jsonb_agg(newest.id order by newest.seq), '[]')
            from (
                select message.id, message.seq
                from remanence.messages as message
                where message.conversation_id = p_conv.id
                    and message.seq >= p_conv.window_from_seq
                order by message.seq desc
                limit 500) as newest))
$$;

-- What conversations are sorted by. What has not happened yet sorts last in both orders.
create function remanence.conversation_sort_key_v1(
    p_conv remanence.conversations, p_order_by text, p_ascending boolean) returns timestamptz
language sql stable
as $$
    select coalesce(
        case p_order_by
            when 'last_message_at' then p_conv.last_message_at
            when 'last_run_completion' then (
                select run.completed_at from remanence.runs as run
                where run.conversation_id = p_conv.id and run.completed_at is not null
                order by run.ord desc limit 1)
            else p_conv.created_at
        end,
        case when p_ascending then timestamptz 'infinity' else timestamptz '-infinity' end)
$$;

-- Deletes a conversation with its history and its runs; the memory of its agent stays.
--
-- p: org_id, conversation_id
-- returns outcome: ok | not_found (kind, id) | default | busy (conversation_id, run_id)
create function remanence.conversation_delete_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv remanence.conversations;
    run_id text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'conversation', 'id', p ->> 'conversation_id');
    end if;
    if conv.is_default then
        return '{"outcome": "default"}';
    end if;
    if conv.lease_until > clock_timestamp() then
        select id into run_id from remanence.runs
        where conversation_id = conv.id and status in ('created', 'running')
        order by ord limit 1;
        return jsonb_build_object(
            'outcome', 'busy', 'conversation_id', conv.id, 'run_id', run_id);
    end if;
    delete from remanence.conversations where id = conv.id;
    return '{"outcome": "ok"}';
end
$$;

-- Copies a conversation up to a message, that one included, into a new one of the same agent:
-- its messages under new ids (they keep place and time, and belong to no run), the summaries of
-- what has left its window, and what it overrides.
-- A summary that reaches beyond the last message is left out, and what it covers is in the window
-- again, so that everything before the window is still covered once.
--
-- p: org_id, agent_id | null, conversation_id | null (null: the agent's default), message_id | null
--    (null: all of it), new_id, hidden
-- returns outcome: ok (conversation) | not_found (kind, id). The same new_id again: what is there.
create function remanence.conversation_fork_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    source remanence.conversations;
    made remanence.conversations;
    last_seq bigint;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into made from remanence.conversations where id = p ->> 'new_id';
    if found then  -- the same call again, its first answer was lost on the way
        return jsonb_build_object(
            'outcome', 'ok', 'conversation', remanence.conversation_view_v1(made));
    end if;
    -- the lock waits for a step that is being committed, and keeps the next one out
    select * into source from remanence.conversations
    where case when p ->> 'conversation_id' is null
        then agent_id = p ->> 'agent_id' and is_default
        else id = p ->> 'conversation_id' and agent_id = coalesce(p ->> 'agent_id', agent_id) end
    for share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found',
            'kind', case when p ->> 'conversation_id' is null then 'agent' else 'conversation' end,
            'id', coalesce(p ->> 'conversation_id', p ->> 'agent_id'));
    end if;
    last_seq := source.next_seq - 1;
    if p ->> 'message_id' is not null then
        select seq into last_seq from remanence.messages
        where id = p ->> 'message_id' and conversation_id = source.id;
        if not found then
            return jsonb_build_object(
                'outcome', 'not_found', 'kind', 'message', 'id', p ->> 'message_id');
        end if;
    end if;
    insert into remanence.conversations (
        id, org_id, agent_id, summary, extras, next_seq, window_from_seq, anchor, last_message_at)
    values (
        p ->> 'new_id', source.org_id, source.agent_id, source.summary,
        source.extras - 'archived_at' - 'hidden'
            || case when (p ->> 'hidden')::boolean then '{"hidden": true}' else '{}' end::jsonb,
        last_seq + 1, source.window_from_seq,
        case when last_seq = source.next_seq - 1 then source.anchor else '{}' end,
        source.last_message_at)
    returning * into made;
    perform remanence.copy_history_v1(source, made, last_seq);
    select * into made from remanence.conversations where id = made.id;
    return jsonb_build_object(
        'outcome', 'ok', 'conversation', remanence.conversation_view_v1(made));
end
$$;

-- The rows of a fork: messages, summaries, and where its window begins.
create function remanence.copy_history_v1(
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
        parent_id, created_at)
    select chosen.new_id, summary.org_id, summary.agent_id, p_made.id, summary.level,
        summary.from_seq, summary.to_seq, summary.text, summary.tokens, summary.model,
        parent.new_id, summary.created_at
    from chosen
    join remanence.summaries as summary on summary.id = chosen.id
    left join chosen as parent on parent.id = summary.parent_id;
    update remanence.conversations as conv
    set window_from_seq = case
            when p_last_seq >= p_source.window_from_seq - 1 then p_source.window_from_seq
            else 1 + coalesce((
                select max(summary.to_seq) from remanence.summaries as summary
                where summary.conversation_id = p_made.id), 0) end
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

-- Archives as callers make, share and fill them.

-- An archive as the API shows it.
create function remanence.archive_view_v1(p_archive remanence.archives) returns jsonb
language sql stable
as $$ select to_jsonb(p_archive) - 'org_id' $$;

-- Attaches an archive to an agent, or detaches it; what is so already stays so.
--
-- p: org_id, agent_id, archive_id, attach
-- returns outcome: ok | not_found (kind, id)
create function remanence.archive_link_v1(p jsonb) returns jsonb
language plpgsql
as $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform from remanence.agents where id = p ->> 'agent_id' for key share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    perform from remanence.archives where id = p ->> 'archive_id' for key share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'archive', 'id', p ->> 'archive_id');
    end if;
    if (p ->> 'attach')::boolean then
        insert into remanence.archives_agents (org_id, agent_id, archive_id)
        values (p ->> 'org_id', p ->> 'agent_id', p ->> 'archive_id')
        on conflict (agent_id, archive_id) do nothing;
    else
        delete from remanence.archives_agents
        where agent_id = p ->> 'agent_id' and archive_id = p ->> 'archive_id';
    end if;
    return '{"outcome": "ok"}';
end
$$;

-- Puts passages into an archive; those whose id is there already stay as they are.
--
-- p: org_id, archive_id, passages (see insert_passages_v1)
-- returns outcome: ok (passages [row ...], in the order given) | not_found (kind, id)
create function remanence.archive_fill_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    archive remanence.archives;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into archive from remanence.archives
    where id = p ->> 'archive_id' for key share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'archive', 'id', p ->> 'archive_id');
    end if;
    perform remanence.insert_passages_v1(archive.org_id, archive.id, null, p -> 'passages');
    return jsonb_build_object(
        'outcome', 'ok',
        'passages', (
            select coalesce(jsonb_agg(
                to_jsonb(passage) - 'lexemes' || jsonb_build_object('embedding', archive.embedding)
                order by items.place), '[]')
            from jsonb_array_elements(p -> 'passages') with ordinality as items (item, place)
            join remanence.passages as passage on passage.id = items.item ->> 'id'));
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
