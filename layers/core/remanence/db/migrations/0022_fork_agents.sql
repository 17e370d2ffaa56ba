-- Forks: an agent or a conversation that begins as another was at some step.

-- The last message of a conversation when a step of it was over; null when it has no such step.
create function remanence.step_end_v1(p_conversation_id text, p_step_id text) returns bigint
language plpgsql stable
as $$
declare
    step remanence.steps;
begin
    select * into step from remanence.steps
    where id = p_step_id and conversation_id = p_conversation_id;
    if not found then
        return null;
    end if;
    return (
        select coalesce(max(message.seq), 0) from remanence.messages as message
        where message.conversation_id = p_conversation_id
            and message.created_at <= step.created_at);
end
$$;

-- Copies a conversation up to a message, that one included, into a new one of the same agent:
-- its messages under new ids (they keep place and time, and belong to no run), the summaries of
-- what has left its window, and what it overrides.
-- A summary that reaches beyond the last message is left out, and what it covers is in the window
-- again, so that everything before the window is still covered once.
--
-- p: org_id, agent_id | null, conversation_id | null (null: the agent's default),
--    message_id | step_id | null (null: all of it; of a step its last message), new_id, hidden
-- returns outcome: ok (conversation) | not_found (kind, id). The same new_id again: what is there.
create or replace function remanence.conversation_fork_v1(p jsonb) returns jsonb
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
    if p ->> 'step_id' is not null then
        last_seq := remanence.step_end_v1(source.id, p ->> 'step_id');
        if last_seq is null then
            return jsonb_build_object('outcome', 'not_found', 'kind', 'step', 'id', p ->> 'step_id');
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
create or replace function remanence.copy_history_v1(
    p_source remanence.conversations, p_made remanence.conversations, p_last_seq bigint)
returns void
language plpgsql
as $$
begin
    insert into remanence.messages (
        conversation_id, seq, id, org_id, agent_id, role, parts, name, otid, sender_id, tokens,
        created_at)
    select p_made.id, message.seq, 'message-' || gen_random_uuid(), p_made.org_id,
        p_made.agent_id, message.role, message.parts, message.name, message.otid,
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
    select chosen.new_id, p_made.org_id, p_made.agent_id, p_made.id, summary.level,
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

-- What an archive held at some time: rows of passages.
create function remanence.archive_at_v1(p_archive_id text, p_at timestamptz)
returns table (passage jsonb)
language plpgsql stable
as $$
begin
    return query
    select remanence.passage_row_v1(now_held)
    from remanence.passages as now_held
    where now_held.archive_id = p_archive_id and now_held.updated_at <= p_at
    union all
    select past.passage
    from remanence.passage_versions as past
    where past.archive_id = p_archive_id and past.passage is not null
        and past.from_at <= p_at and past.until_at > p_at;
end
$$;

-- Archival memory as it was: a page of what the archives that an agent had then held then, the
-- oldest first.
--
-- p: org_id, agent_id, at | step_id (see instant_v1), after | null (a passage's id),
--    search | null (a part of the text, any case), page_limit
-- returns outcome: ok (passages [row of passages, embedding]) | not_found (kind, id)
create or replace function remanence.passages_at_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    moment timestamptz;
begin
    perform remanence.enter_org(p ->> 'org_id');
    moment := remanence.instant_v1(p);
    if moment is null then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'step', 'id', p ->> 'step_id');
    end if;
    if not exists (select from remanence.agents where id = p ->> 'agent_id') then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    return jsonb_build_object('outcome', 'ok', 'passages', (
        with attached as (
            select link.archive_id from remanence.archives_agents as link
            where link.agent_id = p ->> 'agent_id' and link.created_at <= moment
            union
            select past.archive_id from remanence.attachments_past as past
            where past.agent_id = p ->> 'agent_id' and past.archive_id is not null
                and past.from_at <= moment and past.until_at > moment
        ),
        held as (
            select past.passage
            from attached
            cross join lateral remanence.archive_at_v1(attached.archive_id, moment) as past
        ),
        keyed as (
            select held.passage, (held.passage ->> 'created_at')::timestamptz as created_at,
                held.passage ->> 'id' as id
            from held
        ),
        page as (
            select keyed.*
            from keyed
            where (p ->> 'search' is null
                    or position(lower(p ->> 'search') in lower(keyed.passage ->> 'text')) > 0)
                and (p ->> 'after' is null or (keyed.created_at, keyed.id) > (
                    select last.created_at, last.id from keyed as last
                    where last.id = p ->> 'after'))
            order by keyed.created_at, keyed.id
            limit (p ->> 'page_limit')::integer
        )
        select coalesce(jsonb_agg(
            page.passage || jsonb_build_object('embedding', archive.embedding)
            order by page.created_at, page.id), '[]')
        from page
        join remanence.archives as archive on archive.id = page.passage ->> 'archive_id'));
end
$$;

-- Makes an agent that begins as another is, or was when a step was over: its configuration as it
-- is now; its blocks, the passages of its own archive and the history of that conversation as they
-- were. Copies have ids of their own. Archives that were not its own are shared, and so are blocks
-- that other agents have too, if p says so: those are as they are now. Secrets, identities and
-- other conversations are not copied.
--
-- p: org_id, agent_id, step_id | null (null: now), new_id, conversation_id, archive_id (new ids),
--    agent_name | null, share_blocks, author (see sign_v1)
-- returns outcome: ok | not_found (kind, id). The same new_id again: what is there stays.
create function remanence.agent_fork_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    agent remanence.agents;
    source remanence.conversations;
    made remanence.conversations;
    last_seq bigint;
    moment timestamptz;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1(p -> 'author');
    perform from remanence.agents where id = p ->> 'new_id';
    if found then  -- the same call again, its first answer was lost on the way
        return '{"outcome": "ok"}';
    end if;
    select * into agent from remanence.agents where id = p ->> 'agent_id';
    if not found then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    -- the lock waits for a step that is being committed, and keeps the next one out
    select * into source from remanence.conversations as conv
    where conv.agent_id = agent.id and case when p ->> 'step_id' is null then conv.is_default
        else conv.id = (
            select step.conversation_id from remanence.steps as step
            where step.id = p ->> 'step_id') end
    for share;
    if not found then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'step', 'id', p ->> 'step_id');
    end if;
    last_seq := source.next_seq - 1;
    moment := remanence.moment_v1();
    if p ->> 'step_id' is not null then
        last_seq := remanence.step_end_v1(source.id, p ->> 'step_id');
        moment := remanence.instant_v1(p);
    end if;
    agent.id := p ->> 'new_id';
    agent.name := coalesce(p ->> 'agent_name', agent.name);
    agent.version := 1;
    agent.last_stop_reason := null;
    agent.last_run_completion := null;
    agent.last_run_duration_ms := null;
    agent.created_at := clock_timestamp();
    agent.updated_at := agent.created_at;
    insert into remanence.agents select (agent).*;
    insert into remanence.conversations (
        id, org_id, agent_id, is_default, next_seq, window_from_seq, last_message_at)
    values (
        p ->> 'conversation_id', source.org_id, agent.id, true, last_seq + 1,
        source.window_from_seq, source.last_message_at)
    returning * into made;
    perform remanence.copy_history_v1(source, made, last_seq);
    perform remanence.fork_blocks_v1(p, moment);
    insert into remanence.agents_tools (org_id, agent_id, tool_id, position, requires_approval)
    select link.org_id, agent.id, link.tool_id, link.position, link.requires_approval
    from remanence.agents_tools as link where link.agent_id = p ->> 'agent_id';
    perform remanence.fork_archives_v1(p, moment);
    return '{"outcome": "ok"}';
end
$$;

-- The blocks of a fork (see agent_fork_v1), as they were.
create function remanence.fork_blocks_v1(p jsonb, p_at timestamptz) returns void
language plpgsql
as $$
declare
    past jsonb := remanence.memory_at_v1(jsonb_build_object(
        'org_id', p -> 'org_id', 'agent_id', p -> 'agent_id', 'at', p_at)) -> 'blocks';
    block jsonb;
    ids text[] := '{}';
begin
    for block in select value from jsonb_array_elements(past) loop
        if (p ->> 'share_blocks')::boolean and exists (
            select from remanence.agents_blocks as link
            where link.block_id = block ->> 'id' and link.agent_id <> p ->> 'agent_id')
        then
            ids := ids || (block ->> 'id');
        else
            block := block || jsonb_build_object('id', 'block-' || gen_random_uuid());
            perform remanence.insert_blocks_v1(p ->> 'org_id', jsonb_build_array(block));
            ids := ids || (block ->> 'id');
        end if;
    end loop;
    perform remanence.set_agent_blocks_v1(p ->> 'org_id', p ->> 'new_id', ids);
end
$$;

-- The archives of a fork (see agent_fork_v1): its own with what was in it, with the vectors of texts
-- that still are as they were; the others are shared.
create function remanence.fork_archives_v1(p jsonb, p_at timestamptz) returns void
language plpgsql
as $$
begin
    insert into remanence.archives_agents (org_id, agent_id, archive_id)
    select link.org_id, p ->> 'new_id', link.archive_id
    from remanence.archives_agents as link
    where link.agent_id = p ->> 'agent_id' and not link.is_owner;
    insert into remanence.archives (id, org_id, name, description, embedding, metadata)
    select p ->> 'archive_id', own.org_id, own.name, own.description, own.embedding, own.metadata
    from remanence.archives_agents as link
    join remanence.archives as own on own.id = link.archive_id
    where link.agent_id = p ->> 'agent_id' and link.is_owner
    order by link.created_at limit 1;
    if not found then
        return;
    end if;
    insert into remanence.archives_agents (org_id, agent_id, archive_id, is_owner)
    values (p ->> 'org_id', p ->> 'new_id', p ->> 'archive_id', true);
    with held as materialized (
        select past.passage, past.passage ->> 'id' as id,
            'passage-' || gen_random_uuid() as new_id
        from remanence.archives_agents as link
        cross join lateral remanence.archive_at_v1(link.archive_id, p_at) as past
        where link.agent_id = p ->> 'agent_id' and link.is_owner
    ),
    copied as (
        insert into remanence.passages (id, org_id, archive_id, text, tags, metadata, created_at)
        select held.new_id, kept.org_id, p ->> 'archive_id', kept.text, kept.tags, kept.metadata,
            kept.created_at
        from held
        cross join lateral jsonb_populate_record(null::remanence.passages, held.passage) as kept
        returning id
    )
    insert into remanence.passage_vectors (
        passage_id, org_id, archive_id, model, dimensions, embedding)
    select copied.id, vector.org_id, p ->> 'archive_id', vector.model, vector.dimensions,
        vector.embedding
    from copied
    join held on held.new_id = copied.id
    join remanence.passages as now_held
        on now_held.id = held.id and now_held.text = held.passage ->> 'text'
    join remanence.passage_vectors as vector on vector.passage_id = now_held.id;
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
