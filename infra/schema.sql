-- The schema after all migrations, for reading. Generated: `make schema`. Nothing runs this file.

CREATE SCHEMA remanence;

COMMENT ON SCHEMA remanence IS 'Agents, their memory and their runs.';

CREATE FUNCTION remanence.add_usage_v1(p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    insert into remanence.usage_daily as known (
        org_id, agent_id, day, model, calls, prompt_tokens, completion_tokens,
        cached_input_tokens, cache_write_tokens, reasoning_tokens, usd_micros, unpriced_tokens)
    values (
        p ->> 'org_id', p ->> 'agent_id', (clock_timestamp() at time zone 'utc')::date,
        p ->> 'model', 1, (p ->> 'prompt_tokens')::bigint, (p ->> 'completion_tokens')::bigint,
        (p ->> 'cached_input_tokens')::bigint, (p ->> 'cache_write_tokens')::bigint,
        (p ->> 'reasoning_tokens')::bigint, coalesce((p ->> 'usd_micros')::bigint, 0),
        case when p ->> 'usd_micros' is null
            then (p ->> 'prompt_tokens')::bigint + (p ->> 'completion_tokens')::bigint else 0 end)
    on conflict (agent_id, day, model) do update
    set calls = known.calls + 1,
        prompt_tokens = known.prompt_tokens + excluded.prompt_tokens,
        completion_tokens = known.completion_tokens + excluded.completion_tokens,
        cached_input_tokens = known.cached_input_tokens + excluded.cached_input_tokens,
        cache_write_tokens = known.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = known.reasoning_tokens + excluded.reasoning_tokens,
        usd_micros = known.usd_micros + excluded.usd_micros,
        unpriced_tokens = known.unpriced_tokens + excluded.unpriced_tokens;
end
$$;

CREATE FUNCTION remanence.agent_blocks_v1(p_agent_id text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    return (
        select coalesce(jsonb_agg(to_jsonb(block) order by link.position), '[]')
        from remanence.agents_blocks as link
        join remanence.blocks as block on block.id = link.block_id
        where link.agent_id = p_agent_id
    );
end
$$;

CREATE FUNCTION remanence.agent_change_over_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    agent remanence.agents;
begin
    perform remanence.enter_org(p ->> 'org_id');
    -- conversations before their agent, as a step locks them
    perform from remanence.conversations
    where agent_id = p ->> 'agent_id' order by id for no key update;
    select * into agent from remanence.agents
    where id = p ->> 'agent_id' and next_embedding is not null for no key update;
    if not found or exists (
        select from remanence.conversations as conv
        where conv.agent_id = agent.id
            and remanence.vectors_to_seq_v1(conv, agent.next_embedding)
                < remanence.vectors_to_seq_v1(conv, agent.embedding))
    then
        return '{"outcome": "none"}';
    end if;
    update remanence.conversations as conv
    set vectors_model = agent.next_embedding, other_vectors_model = null, other_vectors_to_seq = 0,
        vectors_to_seq = remanence.vectors_to_seq_v1(conv, agent.next_embedding)
    where conv.agent_id = agent.id;
    update remanence.agents
    set embedding = agent.next_embedding, next_embedding = null, version = agent.version + 1,
        updated_at = clock_timestamp()
    where id = agent.id;
    delete from remanence.message_vectors
    where agent_id = agent.id and model <> agent.next_embedding;
    return '{"outcome": "ok"}';
end
$$;

CREATE FUNCTION remanence.agent_create_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    made remanence.agents := jsonb_populate_record(null::remanence.agents, p -> 'agent');
    block_ids text[] := array(
        select new_block ->> 'id' from jsonb_array_elements(p -> 'new_blocks') as new_block
    ) || array(select jsonb_array_elements_text(p -> 'block_ids'));
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.insert_blocks_v1(p ->> 'org_id', p -> 'new_blocks');
    perform remanence.require_blocks_v1(block_ids);
    insert into remanence.agents (
        id, org_id, name, agent_type, system, model, embedding, description,
        context_window_limit, model_settings, compaction_settings, tool_rules, tags, metadata,
        timezone, message_buffer_autoclear, hidden, extras)
    values (
        made.id, p ->> 'org_id', made.name, made.agent_type, made.system, made.model,
        made.embedding, made.description, made.context_window_limit, made.model_settings,
        made.compaction_settings, made.tool_rules, made.tags, made.metadata, made.timezone,
        made.message_buffer_autoclear, made.hidden, made.extras)
    on conflict (id) do nothing;
    if found then
        insert into remanence.conversations (id, org_id, agent_id, is_default, next_seq)
        values (
            p ->> 'conversation_id', p ->> 'org_id', made.id, true,
            jsonb_array_length(p -> 'messages') + 1);
        insert into remanence.messages (
            conversation_id, seq, id, org_id, agent_id, role, parts, name, otid, sender_id,
            tokens, created_at)
        select p ->> 'conversation_id', place, item ->> 'id', p ->> 'org_id', made.id,
            item ->> 'role', item -> 'parts', item ->> 'name', item ->> 'otid',
            item ->> 'sender_id', (item ->> 'tokens')::integer, clock_timestamp()
        from jsonb_array_elements(p -> 'messages') with ordinality as items (item, place);
        perform remanence.set_agent_blocks_v1(p ->> 'org_id', made.id, block_ids);
        perform remanence.set_agent_tools_v1(
            p ->> 'org_id', made.id, remanence.tool_ids_v1(p -> 'tool_names', p -> 'tool_ids'));
        made.org_id := p ->> 'org_id';
        perform remanence.set_agent_belongings_v1(made, p);
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(made.id, remanence.agent_relations_v1()));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE FUNCTION remanence.agent_delete_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform from remanence.conversations where agent_id = p ->> 'agent_id' order by id for update;
    delete from remanence.archives as archive
    using remanence.archives_agents as link
    where link.archive_id = archive.id and link.agent_id = p ->> 'agent_id' and link.is_owner
        and not exists (
            select from remanence.archives_agents as other
            where other.archive_id = archive.id and other.agent_id <> link.agent_id);
    delete from remanence.agents where id = p ->> 'agent_id';
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    return '{"outcome": "ok"}';
end
$$;

CREATE FUNCTION remanence.agent_fork_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.agent_relations_v1() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$ select '{blocks,tools,identities,secrets}'::text[] $$;

CREATE TABLE remanence.agents (
    id text NOT NULL,
    org_id text NOT NULL,
    name text NOT NULL,
    agent_type text NOT NULL,
    system text NOT NULL,
    model text NOT NULL,
    embedding text,
    description text,
    context_window_limit integer NOT NULL,
    model_settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    compaction_settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    tool_rules jsonb DEFAULT '[]'::jsonb NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    message_buffer_autoclear boolean DEFAULT false NOT NULL,
    hidden boolean DEFAULT false NOT NULL,
    extras jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    last_stop_reason text,
    last_run_completion timestamp with time zone,
    last_run_duration_ms bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    caps jsonb,
    next_embedding text,
    CONSTRAINT agents_context_window_check CHECK ((context_window_limit > 0))
);

COMMENT ON COLUMN remanence.agents.next_embedding IS 'Handle that replaces embedding once messages have its vectors; null: none does.';

CREATE FUNCTION remanence.agent_sort_key_v1(p_agent remanence.agents, p_order_by text, p_ascending boolean) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS $$
    select case p_order_by
        when 'updated_at' then p_agent.updated_at
        when 'last_run_completion' then coalesce(
            p_agent.last_run_completion,
            case when p_ascending then timestamptz 'infinity' else timestamptz '-infinity' end)
        else p_agent.created_at
    end
$$;

CREATE FUNCTION remanence.agent_state_v1(p_agent_id text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.agent_update_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    wanted remanence.agents := jsonb_populate_record(null::remanence.agents, p -> 'agent');
    agent remanence.agents;
    block_ids text[] := array(select jsonb_array_elements_text(
        case jsonb_typeof(p -> 'block_ids') when 'array' then p -> 'block_ids' else '[]' end));
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.require_blocks_v1(block_ids);
    agent := remanence.touch_agent_v1(wanted.id);
    if agent.version <> (p ->> 'base_version')::integer + 1 then
        perform remanence.refuse_v1('{"outcome": "stale"}');
    end if;
    if not p -> 'agent' ? 'next_embedding' and wanted.embedding = agent.embedding then
        wanted.next_embedding := agent.next_embedding;  -- of the version before
    end if;
    perform remanence.move_agent_v1(agent, wanted);
    update remanence.agents
    set name = wanted.name, system = wanted.system, model = wanted.model,
        description = wanted.description,
        context_window_limit = wanted.context_window_limit,
        model_settings = wanted.model_settings,
        compaction_settings = wanted.compaction_settings, tool_rules = wanted.tool_rules,
        tags = wanted.tags, metadata = wanted.metadata, timezone = wanted.timezone,
        message_buffer_autoclear = wanted.message_buffer_autoclear, hidden = wanted.hidden,
        extras = wanted.extras, last_stop_reason = wanted.last_stop_reason,
        last_run_completion = wanted.last_run_completion,
        last_run_duration_ms = wanted.last_run_duration_ms
    where id = agent.id;
    if jsonb_typeof(p -> 'block_ids') = 'array' then
        perform remanence.set_agent_blocks_v1(agent.org_id, agent.id, block_ids);
    end if;
    if jsonb_typeof(p -> 'tool_ids') = 'array' then
        perform remanence.set_agent_tools_v1(
            agent.org_id, agent.id, remanence.tool_ids_v1('[]', p -> 'tool_ids'));
    end if;
    perform remanence.set_agent_belongings_v1(agent, p);
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(agent.id, remanence.agent_relations_v1()));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE FUNCTION remanence.agent_view_v1(p_agent_id text, p_relations text[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object(
        'agent', to_jsonb(agent),
        'blocks', case when 'blocks' = any (p_relations)
            then remanence.agent_blocks_v1(agent.id) else '[]' end,
        'tools', case when 'tools' = any (p_relations)
            then coalesce((
                select jsonb_agg(
                    to_jsonb(tool) || jsonb_build_object(
                        'requires_approval',
                        coalesce(link.requires_approval, tool.default_requires_approval))
                    order by link.position)
                from remanence.agents_tools as link
                join remanence.tools as tool on tool.id = link.tool_id
                where link.agent_id = agent.id), '[]')
            else '[]' end,
        'identities', case when 'identities' = any (p_relations)
            then coalesce((
                select jsonb_agg(remanence.identity_view_v1(identity) order by link.created_at, identity.id)
                from remanence.agents_identities as link
                join remanence.identities as identity on identity.id = link.identity_id
                where link.agent_id = agent.id), '[]')
            else '[]' end,
        'secrets', case when 'secrets' = any (p_relations)
            then coalesce((
                select jsonb_agg(to_jsonb(secret) - '{org_id,value}'::text[] order by secret.name)
                from remanence.agent_secrets as secret
                where secret.agent_id = agent.id), '[]')
            else '[]' end,
        'message_ids', remanence.context_message_ids_v1(agent.id),
        'pending', (
            select to_jsonb(request) - 'lexemes'
            from remanence.conversations as conv
            join remanence.messages as request on request.id = conv.pending_message_id
            where conv.agent_id = agent.id and conv.is_default
                and remanence.approval_waits_v1(conv)))
    from remanence.agents as agent
    where agent.id = p_agent_id
$$;

CREATE FUNCTION remanence.agents_import_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    item jsonb;
    answer jsonb;
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    for item in select value from jsonb_array_elements(p -> 'tools') loop
        -- one of that name stays unless it is to be replaced; a built-in one always does
        if (p ->> 'override_existing_tools')::boolean or not exists (
            select from remanence.tools as tool where tool.name = item ->> 'name')
        then
            perform remanence.tool_upsert_v1(
                jsonb_build_object('org_id', p -> 'org_id', 'tool', item));
        end if;
    end loop;
    for item in select value from jsonb_array_elements(p -> 'agents') loop
        answer := remanence.agent_create_v1(
            item || jsonb_build_object('org_id', p -> 'org_id', 'messages', '[]'::jsonb));
        if answer ->> 'outcome' <> 'ok' then
            perform remanence.refuse_v1(answer);
        end if;
        perform remanence.write_history_v1(item);
    end loop;
    return jsonb_build_object('outcome', 'ok', 'agent_ids', (
        select coalesce(jsonb_agg(made -> 'agent' -> 'id'), '[]')
        from jsonb_array_elements(p -> 'agents') as made));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE FUNCTION remanence.all_ok_v1(p_answer jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if p_answer ->> 'outcome' <> 'ok' then
        perform remanence.refuse_v1(p_answer);
    end if;
end
$$;

CREATE FUNCTION remanence.any_key_v1(p_lexemes text[]) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select string_agg(
        '''' || replace(replace(key.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
    from unnest(p_lexemes) as key (lexeme)
$$;

CREATE TABLE remanence.conversations (
    id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    is_default boolean DEFAULT false NOT NULL,
    summary text,
    extras jsonb DEFAULT '{}'::jsonb NOT NULL,
    next_seq bigint DEFAULT 1 NOT NULL,
    next_ord bigint DEFAULT 1 NOT NULL,
    window_from_seq bigint DEFAULT 1 NOT NULL,
    window_tokens integer DEFAULT 0 NOT NULL,
    anchor jsonb DEFAULT '{}'::jsonb NOT NULL,
    epoch jsonb,
    epoch_seen jsonb,
    fence bigint DEFAULT 0 NOT NULL,
    lease_token text,
    lease_until timestamp with time zone,
    claims integer DEFAULT 0 NOT NULL,
    pending_message_id text,
    pending_call_ids text[] DEFAULT '{}'::text[] NOT NULL,
    pending_since timestamp with time zone,
    last_message_at timestamp with time zone,
    compaction_tried_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    snapshots text[] DEFAULT '{}'::text[] NOT NULL,
    has_stand_in boolean DEFAULT false NOT NULL,
    compaction_token text,
    compaction_until timestamp with time zone,
    vectors_model text,
    vectors_to_seq bigint DEFAULT 0 NOT NULL,
    other_vectors_model text,
    other_vectors_to_seq bigint DEFAULT 0 NOT NULL,
    vectors_claim text,
    vectors_claimed_until timestamp with time zone
);

COMMENT ON COLUMN remanence.conversations.extras IS 'description, archived_at, hidden; model, settings, context_window_limit: instead of the agent''s';

COMMENT ON COLUMN remanence.conversations.snapshots IS 'hashes of snapshots that its newest steps named, newest first: a worker does not send them again';

COMMENT ON COLUMN remanence.conversations.vectors_model IS 'Handle of the model of its vectors; another one than the agent''s: they are made anew.';

COMMENT ON COLUMN remanence.conversations.vectors_to_seq IS 'Messages up to this one have their vectors, or need none; inclusive.';

COMMENT ON COLUMN remanence.conversations.other_vectors_model IS 'As vectors_model, of a second model while the agent changes to it.';

COMMENT ON COLUMN remanence.conversations.other_vectors_to_seq IS 'As vectors_to_seq, for other_vectors_model.';

COMMENT ON COLUMN remanence.conversations.vectors_claim IS 'Token of the sweep that makes its vectors.';

COMMENT ON COLUMN remanence.conversations.vectors_claimed_until IS 'Until then no other sweep does.';

CREATE FUNCTION remanence.approval_refusal_v1(p_conv remanence.conversations, p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.approval_waits_v1(p_conv remanence.conversations) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return p_conv.pending_message_id is not null
        and p_conv.pending_since > clock_timestamp() - interval '30 days';
end
$$;

CREATE FUNCTION remanence.archive_at_v1(p_archive_id text, p_at timestamp with time zone) RETURNS TABLE(passage jsonb)
    LANGUAGE plpgsql STABLE
    AS $$
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

CREATE FUNCTION remanence.archive_fill_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
            from rows from (jsonb_to_recordset(p -> 'passages') as (id text)) with ordinality
                as items (id, place)
            join remanence.passages as passage on passage.id = items.id));
end
$$;

CREATE FUNCTION remanence.archive_link_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.archive_update_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    columns jsonb := p -> 'columns';
begin
    perform remanence.enter_org(p ->> 'org_id');
    update remanence.archives as archive
    set name = coalesce(columns ->> 'name', archive.name),
        description = case when columns ? 'description' then columns ->> 'description'
            else archive.description end,
        updated_at = clock_timestamp()
    where archive.id = p ->> 'archive_id';
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'archive', 'id', p ->> 'archive_id');
    end if;
    if columns ? 'embedding' then
        perform remanence.move_archive_v1(p ->> 'archive_id', columns ->> 'embedding');
    end if;
    return (
        select jsonb_build_object('outcome', 'ok', 'archive', remanence.archive_view_v1(archive))
        from remanence.archives as archive where archive.id = p ->> 'archive_id');
end
$$;

CREATE TABLE remanence.archives (
    id text NOT NULL,
    org_id text NOT NULL,
    name text NOT NULL,
    description text,
    embedding text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    facts_version bigint DEFAULT 0 NOT NULL,
    next_embedding text
);

COMMENT ON COLUMN remanence.archives.facts_version IS 'grows with every change of its facts: what a merge was computed from is compared with it';

COMMENT ON COLUMN remanence.archives.next_embedding IS 'Handle that replaces embedding once all passages have its vectors; null: none does.';

CREATE FUNCTION remanence.archive_view_v1(p_archive remanence.archives) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select to_jsonb(p_archive) - 'org_id' || jsonb_build_object(
        'passages', count(passage.id), 'passages_done', count(stored.passage_id))
    from remanence.passages as passage
    left join remanence.passage_vectors as stored
        on stored.passage_id = passage.id and stored.model = p_archive.next_embedding
    where p_archive.next_embedding is not null and passage.archive_id = p_archive.id
$$;

CREATE FUNCTION remanence.author_v1() RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return coalesce(nullif(current_setting('remanence.author', true), ''), '{}')::jsonb;
end
$$;

CREATE TABLE remanence.blocks (
    id text NOT NULL,
    org_id text NOT NULL,
    label text NOT NULL,
    value text NOT NULL,
    "limit" integer NOT NULL,
    description text,
    read_only boolean DEFAULT false NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    hidden boolean DEFAULT false NOT NULL,
    extras jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT blocks_limit_check CHECK (("limit" > 0)),
    CONSTRAINT blocks_value_check CHECK ((length(value) <= "limit"))
);

CREATE FUNCTION remanence.block_at_v1(p_block remanence.blocks, p_at timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (
        select to_jsonb(p_block) || jsonb_build_object(
            'value', past.value, 'version', past.version, 'updated_at', past.created_at)
            || case when past.label is null then '{}' else jsonb_build_object(
                'label', past.label, 'description', past.description, 'limit', past."limit",
                'read_only', past.read_only) end
        from remanence.block_versions as past
        where past.block_id = p_block.id and past.created_at <= p_at
        order by past.version desc
        limit 1);
end
$$;

CREATE FUNCTION remanence.block_delete_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    wanted text := p ->> 'block_id';
    labels text[];
    holders text[];
begin
    perform remanence.enter_org(p ->> 'org_id');
    holders := array(
        select agent_id from remanence.agents_blocks where block_id = wanted
        union select agent_id from remanence.snapshots_blocks where block_id = wanted);
    labels := array(
        select label from remanence.blocks where id = wanted
        union select label from remanence.block_versions
        where block_id = wanted and label is not null);
    perform from remanence.conversations
    where agent_id = any(holders) and (lease_token is not null or epoch_seen -> 'seen' ? wanted)
    order by id for update;
    update remanence.messages as note
    set parts = jsonb_build_array(jsonb_build_object('type', 'text', 'text',
        'Core memory was changed from outside here; the block it tells of is deleted.'))
    where note.agent_id = any(holders) and note.role = 'system' and note.step_id is not null
        and exists (
            select from unnest(labels) as label
            where position(E'\n<' || label || E'>\n<description>' in note.parts #>> '{0,text}') > 0);
    update remanence.conversations set epoch = null, epoch_seen = null
    where agent_id = any(holders) and epoch_seen -> 'seen' ? wanted;
    delete from remanence.snapshots as snapshot using remanence.snapshots_blocks as held
    where held.block_id = wanted
        and snapshot.agent_id = held.agent_id and snapshot.hash = held.hash;
    delete from remanence.blocks where id = wanted;
    if not found then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'block', 'id', wanted);
    end if;
    return '{"outcome": "ok"}';
end
$$;

CREATE FUNCTION remanence.block_fields_v1(p_block remanence.blocks, p_version integer) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object(
        'label', coalesce(past.label, p_block.label), 'value', past.value,
        'limit', coalesce(past."limit", p_block."limit"),
        'description', case when past.label is null
            then p_block.description else past.description end,
        'read_only', coalesce(past.read_only, p_block.read_only))
    from remanence.block_versions as past
    where past.block_id = p_block.id and past.version = p_version
$$;

CREATE FUNCTION remanence.block_id_v1(p jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return coalesce(p ->> 'block_id', (
        select link.block_id from remanence.agents_blocks as link
        where link.agent_id = p ->> 'agent_id' and link.label = p ->> 'label'));
end
$$;

CREATE FUNCTION remanence.block_link_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    agent remanence.agents;
    rest text[];
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.require_blocks_v1(array[p ->> 'block_id']);
    agent := remanence.touch_agent_v1(p ->> 'agent_id');
    rest := array(
        select block_id from remanence.agents_blocks
        where agent_id = agent.id
            and ((p ->> 'attach')::boolean or block_id <> p ->> 'block_id')
        order by position);
    if (p ->> 'attach')::boolean and not p ->> 'block_id' = any (rest) then
        rest := rest || (p ->> 'block_id');
    end if;
    perform remanence.set_agent_blocks_v1(agent.org_id, agent.id, rest);
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(agent.id, '{blocks,tools}'));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE FUNCTION remanence.block_lock_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    block remanence.blocks;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform set_config('idle_in_transaction_session_timeout', p ->> 'hold_ms', true);
    select * into block from remanence.blocks
    where id = remanence.block_id_v1(p) for update;
    if not found then
        return remanence.missing_block_v1(p);
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'block', to_jsonb(block), 'versions', (
            select coalesce(jsonb_object_agg(past.version, jsonb_build_object(
                'label', coalesce(past.label, block.label), 'value', past.value,
                'limit', coalesce(past."limit", block."limit"),
                'description', case when past.label is null
                    then block.description else past.description end,
                'read_only', coalesce(past.read_only, block.read_only))), '{}')
            from remanence.block_versions as past
            where past.block_id = block.id and past.version in (
                select jsonb_array_elements_text(p -> 'versions')::integer)));
end
$$;

CREATE FUNCTION remanence.block_update_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    block remanence.blocks;
    wanted remanence.blocks;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1(p -> 'author');
    select * into block from remanence.blocks
    where id = remanence.block_id_v1(p) for update;
    if not found then
        return remanence.missing_block_v1(p);
    end if;
    if block.version <> (p ->> 'only_version')::integer then
        return jsonb_build_object('outcome', 'stale', 'block', to_jsonb(block));
    end if;
    wanted := jsonb_populate_record(block, (p -> 'set') - 'extras');
    wanted.extras := block.extras || coalesce(p -> 'set' -> 'extras', '{}');
    if length(wanted.value) > wanted."limit" then
        return jsonb_build_object(
            'outcome', 'limit', 'what', format('the value of block %L', wanted.label),
            'limit', wanted."limit", 'actual', length(wanted.value));
    end if;
    if (wanted.label, wanted.value, wanted."limit", wanted.description, wanted.read_only)
        is distinct from (block.label, block.value, block."limit", block.description,
            block.read_only)
    then
        wanted.version := block.version + 1;
        insert into remanence.block_versions (
            org_id, block_id, version, value, label, description, "limit", read_only)
        values (
            block.org_id, block.id, wanted.version, wanted.value, wanted.label,
            wanted.description, wanted."limit", wanted.read_only);
    end if;
    if wanted is distinct from block then
        update remanence.blocks
        set label = wanted.label, value = wanted.value, "limit" = wanted."limit",
            description = wanted.description, read_only = wanted.read_only,
            metadata = wanted.metadata, tags = wanted.tags, hidden = wanted.hidden,
            extras = wanted.extras, version = wanted.version, updated_at = clock_timestamp()
        where id = block.id
        returning * into wanted;
        update remanence.agents_blocks set label = wanted.label
        where block_id = block.id and label <> wanted.label;
    end if;
    return jsonb_build_object('outcome', 'ok', 'block', to_jsonb(wanted));
exception
    when unique_violation then
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'an agent of block %L has another block with the label %L; labels are unique per agent',
            block.id, wanted.label));
end
$$;

CREATE FUNCTION remanence.changed_blocks_v1(p_agent_id text, p_step_ids text[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    with held as (
        select link.block_id, true as is_attached from remanence.agents_blocks as link
        where link.agent_id = p_agent_id
        union
        select past.block_id, false from remanence.attachments_past as past
        where past.agent_id = p_agent_id and past.block_id is not null
    ),
    changed as (
        select block.id, bool_or(held.is_attached) as is_attached
        from held
        join remanence.blocks as block on block.id = held.block_id
        where exists (
            select from remanence.block_versions as made
            where made.block_id = held.block_id and made.step_id = any (p_step_ids))
        group by block.id
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', block.id, 'version', block.version, 'is_attached', changed.is_attached,
        'now', remanence.block_fields_v1(block, block.version),
        'made', (
            select jsonb_agg(jsonb_build_object(
                'version', made.version,
                'before', remanence.block_fields_v1(block, made.version - 1),
                'after', remanence.block_fields_v1(block, made.version))
                order by made.version desc)
            from remanence.block_versions as made
            where made.block_id = block.id and made.step_id = any (p_step_ids)))
        order by block.id), '[]')
    from changed
    join remanence.blocks as block on block.id = changed.id
$$;

CREATE FUNCTION remanence.changed_passages_v1(p_step_ids text[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    with made as (
        select passage.id, passage.version from remanence.passages as passage
        where passage.step_id = any (p_step_ids)
        union all
        select past.passage_id, past.version from remanence.passage_versions as past
        where past.step_id = any (p_step_ids)
    ),
    changed as (
        select made.id, remanence.passage_state_v1(made.id) as state,
            jsonb_agg(jsonb_build_object(
                'version', made.version,
                'before', remanence.passage_at_v1(made.id, made.version - 1),
                'after', remanence.passage_at_v1(made.id, made.version))
                order by made.version desc) as made
        from made
        group by made.id
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', changed.id, 'version', changed.state -> 'version',
        'embedding', changed.state -> 'embedding', 'now', changed.state -> 'passage',
        'made', changed.made) order by changed.id), '[]')
    from changed
$$;

CREATE FUNCTION remanence.changes_undo_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform from remanence.blocks
    where id in (select jsonb_object_keys(p -> 'block_versions')) order by id for update;
    if exists (
        select from jsonb_each_text(p -> 'block_versions') as read
        left join remanence.blocks as block on block.id = read.key
        where block.version is distinct from read.value::integer)
    then
        return '{"outcome": "stale"}';
    end if;
    perform remanence.all_ok_v1(remanence.block_link_v1(
        p || jsonb_build_object('block_id', block_id, 'attach', false)))
    from jsonb_array_elements_text(p -> 'detach') as block_id;
    perform remanence.all_ok_v1(remanence.block_update_v1(
        edit || jsonb_build_object('org_id', p -> 'org_id')))
    from jsonb_array_elements(p -> 'blocks') as edit;
    perform remanence.all_ok_v1(remanence.block_link_v1(
        p || jsonb_build_object('block_id', block_id, 'attach', true)))
    from jsonb_array_elements_text(p -> 'attach') as block_id;
    perform remanence.all_ok_v1(remanence.passage_write_v1(
        edit || jsonb_build_object('org_id', p -> 'org_id')))
    from jsonb_array_elements(p -> 'passages') as edit;
    return '{"outcome": "ok"}';
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE TABLE remanence.runs (
    id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    conversation_id text NOT NULL,
    ord bigint NOT NULL,
    status text NOT NULL,
    stop_reason text,
    background boolean DEFAULT false NOT NULL,
    cancel_requested boolean DEFAULT false NOT NULL,
    options jsonb NOT NULL,
    input jsonb NOT NULL,
    idempotency_key text,
    request_hash text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    error jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    ttft_ns bigint,
    callback_url text,
    callback_method text,
    callback_due_at timestamp with time zone,
    callback_tries integer DEFAULT 0 NOT NULL,
    callback_sent_at timestamp with time zone,
    callback_status_code integer,
    callback_error text,
    CONSTRAINT runs_status_check CHECK ((status = ANY (ARRAY['created'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text])))
);

CREATE FUNCTION remanence.claim_v1(p_conv remanence.conversations, p_run remanence.runs, p_token text, p_lease_ms integer, p_is_new boolean) RETURNS json
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.committed_v1(p_conv remanence.conversations, p jsonb, p_moment timestamp with time zone, p_cancel_requested boolean) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.compact_commit_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.compact_commit_v2(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.context_message_ids_v1(p_agent_id text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(newest.id order by newest.seq), '[]')
    from (
        select message.id, message.seq
        from remanence.conversations as conv
        join remanence.messages as message
            on message.conversation_id = conv.id and message.seq >= conv.window_from_seq
        where conv.agent_id = p_agent_id and conv.is_default
        order by message.seq desc
        limit 500) as newest
$$;

CREATE FUNCTION remanence.conversation_delete_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.conversation_fork_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.conversation_sort_key_v1(p_conv remanence.conversations, p_order_by text, p_ascending boolean) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS $$
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

CREATE FUNCTION remanence.conversation_view_v1(p_conv remanence.conversations) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
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

CREATE FUNCTION remanence.copy_history_v1(p_source remanence.conversations, p_made remanence.conversations, p_last_seq bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.cosine_distance(a extensions.halfvec, b extensions.halfvec) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ select a operator(extensions.<=>) b $$;

CREATE FUNCTION remanence.current_org() RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(pg_catalog.current_setting('remanence.org_id', true), '') $$;

CREATE FUNCTION remanence.date_attachment_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_table_name = 'agents_blocks' then
        new.attached_at := remanence.moment_v1();
    else
        new.created_at := remanence.moment_v1();
    end if;
    return new;
end
$$;

CREATE FUNCTION remanence.lexemes(content text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
begin
    -- plpgsql keeps the plan for the session; an SQL function in a generated column would be
    -- parsed and planned anew by every insert (0.5 ms of the 0.7 that a message took)
    if content is null then
        return null;
    end if;
    return (
        select strip(to_tsvector('pg_catalog.russian', spaced.words))
            || case when spaced.words ~ '[\u0620-\u06ff]' then strip(to_tsvector('pg_catalog.arabic',
                regexp_replace(spaced.words, '[^\u0620-\u06ff]+', ' ', 'g'))) else '' end
            || coalesce((
                select array_to_tsvector(array_agg(distinct '=' || word.lexeme))
                from unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', spaced.words)))
                    as word (lexeme)), '')
            || coalesce((
                select array_to_tsvector(array_agg(distinct '#' || code.m[1]))
                from regexp_matches(
                    t.folded, '([a-z0-9_]+(?:[-_./:@#+][a-z0-9_]+)+)', 'g') as code (m)
                where length(code.m[1]) <= 200), '')
            || coalesce((
                select array_to_tsvector(array_agg(distinct gram.lexeme))
                from (
                    select chars.char, lead(chars.char) over (
                        partition by run.place order by chars.place) as following
                    from regexp_matches(t.folded, '(' || t.unspaced || ')', 'g')
                            with ordinality as run (m, place),
                         string_to_table(run.m[1], null) with ordinality as chars (char, place)
                ) as pair
                cross join lateral (values ('u' || pair.char), (pair.char || pair.following))
                    as gram (lexeme)
                where gram.lexeme is not null), '')
        from (
            select remanence.fold(content) as folded,
                   '[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+'
                       as unspaced
        ) as t
        cross join lateral (
            select regexp_replace(
                regexp_replace(t.folded, t.unspaced, ' ', 'g'), '[-_./:@#+]+', ' ', 'g') as words
        ) as spaced
    );
end
$$;

COMMENT ON FUNCTION remanence.lexemes(content text) IS 'Search words of a text, in any script.';

CREATE TABLE remanence.passages (
    id text NOT NULL,
    org_id text NOT NULL,
    archive_id text NOT NULL,
    text text NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    step_id text,
    tool_call_id text,
    lexemes tsvector GENERATED ALWAYS AS (remanence.lexemes(text)) STORED,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    author jsonb,
    valid_from timestamp with time zone,
    valid_to timestamp with time zone,
    CONSTRAINT passages_text_check CHECK ((text <> ''::text))
);

COMMENT ON COLUMN remanence.passages.step_id IS 'the step that made this version; null: no step';

COMMENT ON COLUMN remanence.passages.updated_at IS 'from when this version holds';

COMMENT ON COLUMN remanence.passages.valid_from IS 'inclusive; null: as long as anybody knows';

COMMENT ON COLUMN remanence.passages.valid_to IS 'exclusive; null: it still holds';

CREATE FUNCTION remanence.eligible_passages_v1(p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamp with time zone, p_to timestamp with time zone, p_as_of timestamp with time zone) RETURNS SETOF remanence.passages
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select passage.*
    from remanence.passages as passage
    where passage.archive_id = any (p_archive_ids)
        and (p_tags is null or case when p_match_all_tags
            then passage.tags @> p_tags else passage.tags && p_tags end)
        and (p_from is null or passage.created_at >= p_from)
        and (p_to is null or passage.created_at <= p_to)
        and (passage.valid_to is null or passage.valid_to > coalesce(p_as_of, now()))
        and (p_as_of is null or passage.valid_from is null or passage.valid_from <= p_as_of)
$$;

CREATE FUNCTION remanence.enter_org(p_org_id text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform set_config('remanence.org_id', p_org_id, true), set_config('role', 'remanence_app', true);
end
$$;

CREATE FUNCTION remanence.enter_step_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    spend jsonb := new.receipt -> 'spend';
begin
    if new.prompt_tokens + new.completion_tokens > 0 then
        perform remanence.add_usage_v1(to_jsonb(new) - 'receipt' || jsonb_build_object(
            'model', coalesce(spend ->> 'model', new.model),
            'usd_micros', spend -> 'usd_micros'));
    end if;
    if (spend ->> 'is_reserved')::boolean then
        delete from remanence.spend_reservations where step_id = new.id;
    end if;
    return null;
end
$$;

CREATE FUNCTION remanence.fact_instant_v1(p_metadata jsonb, p_name text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (p_metadata #>> array['fact', p_name])::timestamptz;
exception
    when data_exception then
        return null;
end
$$;

CREATE FUNCTION remanence.fact_source_ids_v1(p_passage_id text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(source.message_id order by source.place), '[]')
    from remanence.fact_sources as source
    where source.passage_id = p_passage_id
$$;

CREATE FUNCTION remanence.facts_claim_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    conv remanence.conversations;
    progress remanence.fact_progress;
    budget double precision;
    upto bigint;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations where id = p ->> 'conversation_id';
    if not found then
        return '{"outcome": "none"}';
    end if;
    insert into remanence.fact_progress (conversation_id, org_id, through_seq)
    values (conv.id, conv.org_id, coalesce((
        select msg.seq from remanence.messages as msg
        where msg.conversation_id = conv.id and msg.created_at < conv.created_at
        order by msg.seq desc limit 1), 0))
    on conflict (conversation_id) do nothing;
    select * into progress from remanence.fact_progress
    where conversation_id = conv.id for update skip locked;
    if not found or progress.claimed_until > clock_timestamp() then
        return '{"outcome": "none"}';
    end if;
    select agent.context_window_limit * (p ->> 'share')::double precision into strict budget
    from remanence.agents as agent where agent.id = conv.agent_id;
    select max(msg.seq) into upto
    from (
        select message.seq, sum(message.tokens) over (order by message.seq) as tokens,
            row_number() over (order by message.seq) as place
        from remanence.messages as message
        where message.conversation_id = conv.id and message.seq > progress.through_seq
            and message.seq < conv.window_from_seq
    ) as msg
    where msg.tokens <= budget or msg.place = 1;
    if progress.attempts >= (p ->> 'most_attempts')::integer or upto is null then
        -- nothing is there to read, or it could not be read: the history goes on behind it
        update remanence.fact_progress
        set through_seq = greatest(through_seq, coalesce(upto, conv.window_from_seq - 1)),
            attempts = 0, claimed_until = null
        where conversation_id = conv.id;
        return '{"outcome": "none"}';
    end if;
    update remanence.fact_progress
    set attempts = attempts + 1,
        claimed_until = clock_timestamp() -- longer each time: the model may be away for hours
            + (p ->> 'hold_ms')::integer * power(2, attempts) * interval '1 millisecond'
    where conversation_id = conv.id;
    return jsonb_build_object(
        'outcome', 'ok', 'base_seq', progress.through_seq, 'through_seq', upto,
        'messages', (
            select jsonb_agg(to_jsonb(msg) - 'lexemes' order by msg.seq)
            from remanence.messages as msg
            where msg.conversation_id = conv.id
                and msg.seq > progress.through_seq and msg.seq <= upto));
end
$$;

CREATE FUNCTION remanence.facts_commit_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    agent remanence.agents;
    own text;
    version bigint;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1('{"origin": "sweep"}');
    perform from remanence.fact_progress
    where conversation_id = p ->> 'conversation_id'
        and through_seq = (p ->> 'base_seq')::bigint for update;
    if not found then
        return '{"outcome": "done"}';
    end if;
    if p -> 'created' <> '[]' or p -> 'changed' <> '[]' then
        -- the lock keeps two first insertions from making two archives
        select holder.* into agent
        from remanence.conversations as conv
        join remanence.agents as holder on holder.id = conv.agent_id
        where conv.id = p ->> 'conversation_id' for no key update of holder;
        own := remanence.own_archive_v1(agent, p ->> 'new_archive_id');
        select facts_version into version from remanence.archives where id = own for update;
        if own <> coalesce(p ->> 'archive_id', own) or version <> (p ->> 'facts_version')::bigint
            or not remanence.write_facts_v1(agent, own, p)
        then
            return '{"outcome": "stale"}';
        end if;
        update remanence.archives set facts_version = facts_version + 1 where id = own;
    end if;
    update remanence.fact_progress
    set through_seq = (p ->> 'through_seq')::bigint, attempts = 0, claimed_until = null
    where conversation_id = p ->> 'conversation_id';
    return '{"outcome": "ok"}';
end
$$;

CREATE FUNCTION remanence.facts_due_v1(p_limit integer) RETURNS TABLE(org_id text, conversation_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
    select conv.org_id, conv.id
    from remanence.agents as agent
    join remanence.conversations as conv on conv.agent_id = agent.id
    left join remanence.fact_progress as progress on progress.conversation_id = conv.id
    where agent.compaction_settings @> '{"archive_facts": true}'
        and conv.window_from_seq - 1 > coalesce(progress.through_seq, 0)
        and (progress.claimed_until is null
            or progress.claimed_until < pg_catalog.clock_timestamp())
    order by pg_catalog.row_number() over (
            partition by conv.org_id order by conv.last_message_at, conv.id),
        conv.id
    limit p_limit
$$;

CREATE FUNCTION remanence.fold(content text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select normalize(regexp_replace(regexp_replace(
        translate(replace(normalize(lower(left(content, 50000)), NFKD), 'ß', 'ss'),
            'łøđħı', 'lodhi'),
        '([a-z\u0370-\u03ff\u0435])[\u0300-\u036f]+', '\1', 'g'),
        '[\u0591-\u05c7\u0640\u064b-\u0655\u0670]+', '', 'g'), NFC)
$$;

COMMENT ON FUNCTION remanence.fold(content text) IS 'A text without what search does not distinguish.';

CREATE FUNCTION remanence.forget_passage_versions_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform remanence.forget_texts_v1(
        array_agg(gone.org_id), array_agg(gone.passage ->> 'text'))
    from gone where gone.passage is not null;
    return null;
end
$$;

CREATE FUNCTION remanence.forget_passages_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform remanence.forget_texts_v1(array_agg(gone.org_id), array_agg(gone.text)) from gone;
    return null;
end
$$;

CREATE FUNCTION remanence.forget_source_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    update remanence.passages as passage
    set metadata = jsonb_set(passage.metadata, '{fact,source_message_ids}',
        remanence.fact_source_ids_v1(passage.id))
    where passage.id = old.passage_id and passage.metadata ? 'fact';
    return null;
end
$$;

CREATE FUNCTION remanence.forget_texts_v1(p_org_ids text[], p_texts text[]) RETURNS void
    LANGUAGE sql
    AS $$
    delete from remanence.remembered_vectors as kept
    using unnest(p_org_ids, p_texts) as gone (org_id, text)
    where kept.org_id = gone.org_id and kept.hash in (
        sha256(convert_to(gone.text, 'UTF8')), sha256(convert_to(left(gone.text, 8000), 'UTF8')))
$$;

CREATE FUNCTION remanence.fork_archives_v1(p jsonb, p_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.fork_blocks_v1(p jsonb, p_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.full_blocks_v1(p_limit integer, p_share real) RETURNS TABLE(org_id text, agent_id text, block_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
    select agent.org_id, agent.id, block.id
    from remanence.agents as agent
    join remanence.agents_blocks as link on link.agent_id = agent.id
    join remanence.blocks as block on block.id = link.block_id
    where agent.compaction_settings -> 'archive_blocks' <> '[]'
        and agent.compaction_settings -> 'archive_blocks' ? link.label
        and pg_catalog.length(block.value) >= block."limit" * p_share
        and not block.read_only
        and not exists (
            select from remanence.agents_blocks as other
            where other.block_id = block.id and other.agent_id <> agent.id)
        and not exists (
            select from remanence.block_versions as newest
            where newest.block_id = block.id and newest.version = block.version
                and newest.author ? 'undoes')
        and not exists (
            select from remanence.blocks_identities as other where other.block_id = block.id)
        and exists (
            select from remanence.agents_tools as held
            join remanence.tools as tool on tool.id = held.tool_id
            where held.agent_id = agent.id and tool.name = 'archival_memory_search')
    order by pg_catalog.row_number() over (
            partition by agent.org_id order by pg_catalog.random()),
        pg_catalog.random()
    limit p_limit
$$;

CREATE FUNCTION remanence.gap_fill_v1(p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    with still as materialized (
        select passage.id, passage.org_id, passage.archive_id, made."values" as numbers
        from jsonb_to_recordset(p -> 'vectors') as made (id text, version integer, "values" jsonb)
        join remanence.passages as passage
            on passage.id = made.id and passage.version = made.version
        where passage.archive_id = p ->> 'archive_id'
        order by passage.id
        for share of passage
    )
    insert into remanence.passage_vectors (
        passage_id, org_id, archive_id, model, dimensions, embedding)
    select still.id, still.org_id, still.archive_id, p ->> 'model',
        jsonb_array_length(still.numbers), remanence.to_halfvec(array(
            select value::real from jsonb_array_elements_text(still.numbers) as value))
    from still
    on conflict (passage_id, model) do nothing;
    update remanence.archive_gaps
    set cursor_id = p ->> 'cursor_id',
        refused = refused || array(select jsonb_array_elements_text(p -> 'refused')),
        claimed_until = clock_timestamp() + (p ->> 'hold_ms')::integer * interval '1 millisecond'
    where archive_id = p ->> 'archive_id' and claim = p ->> 'claim';
end
$$;

CREATE FUNCTION remanence.gap_load_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    gap remanence.archive_gaps;
    archive remanence.archives;
    wanted text;
    missing jsonb;
begin
    perform remanence.enter_org(p ->> 'org_id');
    update remanence.archive_gaps
    set claim = p ->> 'claim', claimed_until = clock_timestamp()
        + (p ->> 'hold_ms')::integer * interval '1 millisecond'
    where archive_id = p ->> 'archive_id'
        and (claim = p ->> 'claim' or claimed_until is null or claimed_until < clock_timestamp())
    returning * into gap;
    if not found then
        return '{"outcome": "none"}';
    end if;
    select coalesce(next_embedding, embedding) into wanted
    from remanence.archives where id = gap.archive_id;
    missing := remanence.missing_vectors_v1(gap, wanted, false, (p ->> 'page_limit')::integer);
    if wanted is null or missing = '[]' then
        -- who is storing now is waited for, and seen by the second look
        select * into archive from remanence.archives where id = gap.archive_id for no key update;
        wanted := coalesce(archive.next_embedding, archive.embedding);
        missing := remanence.missing_vectors_v1(gap, wanted, true, (p ->> 'page_limit')::integer);
    end if;
    if wanted is not null and missing <> '[]' then
        return jsonb_build_object('outcome', 'ok', 'model', wanted, 'passages', missing);
    end if;
    update remanence.archives
    set embedding = wanted, next_embedding = null, updated_at = clock_timestamp()
    where id = gap.archive_id and next_embedding is not null;
    delete from remanence.passage_vectors
    where archive_id = gap.archive_id and model <> wanted;
    delete from remanence.archive_gaps where archive_id = gap.archive_id;
    return '{"outcome": "none"}';
end
$$;

CREATE FUNCTION remanence.gaps_due_v1(p_limit integer) RETURNS TABLE(org_id text, archive_id text, model text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
    select gap.org_id, gap.archive_id, coalesce(archive.next_embedding, archive.embedding)
    from remanence.archive_gaps as gap
    join remanence.archives as archive on archive.id = gap.archive_id
    where gap.claimed_until is null or gap.claimed_until < pg_catalog.clock_timestamp()
    order by pg_catalog.row_number() over (
            partition by gap.org_id order by gap.claimed_until nulls first, gap.archive_id),
        gap.claimed_until nulls first
    limit p_limit
$$;

CREATE FUNCTION remanence.has_phrase_v1(p_text text, p_phrases text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select exists (
        select from unnest(p_phrases) as wanted (phrase)
        where strpos(lower(p_text), wanted.phrase) > 0)
$$;

CREATE FUNCTION remanence.identity_link_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    if p ->> 'agent_id' is not null then
        perform remanence.require_agents_v1(array[p ->> 'agent_id']);
    else
        perform remanence.require_blocks_v1(array[p ->> 'block_id']);
    end if;
    perform remanence.require_identities_v1(array[p ->> 'identity_id']);
    if not (p ->> 'attach')::boolean then
        delete from remanence.agents_identities
        where agent_id = p ->> 'agent_id' and identity_id = p ->> 'identity_id';
        delete from remanence.blocks_identities
        where block_id = p ->> 'block_id' and identity_id = p ->> 'identity_id';
    elsif p ->> 'agent_id' is not null then
        insert into remanence.agents_identities (org_id, agent_id, identity_id)
        values (p ->> 'org_id', p ->> 'agent_id', p ->> 'identity_id')
        on conflict (agent_id, identity_id) do nothing;
    else
        insert into remanence.blocks_identities (org_id, block_id, identity_id)
        values (p ->> 'org_id', p ->> 'block_id', p ->> 'identity_id')
        on conflict (block_id, identity_id) do nothing;
    end if;
    return '{"outcome": "ok"}';
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE TABLE remanence.identities (
    id text NOT NULL,
    org_id text NOT NULL,
    identifier_key text NOT NULL,
    name text NOT NULL,
    identity_type text NOT NULL,
    project_id text,
    properties jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT identities_type_check CHECK ((identity_type = ANY (ARRAY['org'::text, 'user'::text, 'other'::text])))
);

CREATE FUNCTION remanence.identity_view_v1(p_identity remanence.identities) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select to_jsonb(p_identity) - 'org_id' || jsonb_build_object(
        'agent_ids', (
            select coalesce(jsonb_agg(newest.agent_id order by newest.created_at, newest.agent_id), '[]')
            from (
                select link.agent_id, link.created_at from remanence.agents_identities as link
                where link.identity_id = p_identity.id
                order by link.created_at desc limit 500) as newest),
        'block_ids', (
            select coalesce(jsonb_agg(newest.block_id order by newest.created_at, newest.block_id), '[]')
            from (
                select link.block_id, link.created_at from remanence.blocks_identities as link
                where link.identity_id = p_identity.id
                order by link.created_at desc limit 500) as newest))
$$;

CREATE FUNCTION remanence.identity_write_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    wanted remanence.identities := jsonb_populate_record(null::remanence.identities, p -> 'identity');
    identity remanence.identities;
    agent_ids text[] := remanence.ids_of_v1(p -> 'agent_ids');
    block_ids text[] := remanence.ids_of_v1(p -> 'block_ids');
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.require_blocks_v1(coalesce(block_ids, '{}'));
    perform remanence.require_agents_v1(coalesce(agent_ids, '{}'));
    if p ->> 'mode' = 'update' then
        select * into identity from remanence.identities where id = wanted.id for update;
        if not found then
            perform remanence.refuse_v1(jsonb_build_object(
                'outcome', 'not_found', 'kind', 'identity', 'id', wanted.id));
        end if;
        wanted := jsonb_populate_record(identity, p -> 'identity');
        update remanence.identities
        set identifier_key = wanted.identifier_key, name = wanted.name,
            identity_type = wanted.identity_type, properties = wanted.properties,
            updated_at = clock_timestamp()
        where id = wanted.id
        returning * into identity;
    else
        insert into remanence.identities (
            id, org_id, identifier_key, name, identity_type, project_id, properties)
        values (
            wanted.id, p ->> 'org_id', wanted.identifier_key, wanted.name, wanted.identity_type,
            wanted.project_id, wanted.properties)
        on conflict on constraint identities_key_unique do update
        set name = excluded.name, identity_type = excluded.identity_type,
            properties = excluded.properties, updated_at = clock_timestamp()
        where p ->> 'mode' = 'upsert' or identities.id = excluded.id
        returning * into identity;
        if identity.id is null then
            perform remanence.refuse_v1(jsonb_build_object(
                'outcome', 'conflict', 'message', format(
                    'there is an identity with the key %L already; PUT changes it',
                    wanted.identifier_key)));
        end if;
    end if;
    if block_ids is not null then
        delete from remanence.blocks_identities
        where identity_id = identity.id and not block_id = any (block_ids);
        insert into remanence.blocks_identities (org_id, block_id, identity_id)
        select identity.org_id, wanted_id, identity.id from unnest(block_ids) as wanted_id
        on conflict (block_id, identity_id) do nothing;
    end if;
    if agent_ids is not null then
        delete from remanence.agents_identities
        where identity_id = identity.id and not agent_id = any (agent_ids);
        insert into remanence.agents_identities (org_id, agent_id, identity_id)
        select identity.org_id, wanted_id, identity.id from unnest(agent_ids) as wanted_id
        on conflict (agent_id, identity_id) do nothing;
    end if;
    return jsonb_build_object('outcome', 'ok', 'identity', remanence.identity_view_v1(identity));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
    when unique_violation then
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'there is another identity with the key %L', wanted.identifier_key));
end
$$;

CREATE FUNCTION remanence.ids_of_v1(p_list jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$
    select case jsonb_typeof(p_list) when 'array'
        then array(select jsonb_array_elements_text(p_list) order by 1) end
$$;

CREATE FUNCTION remanence.insert_blocks_v1(p_org_id text, p_blocks jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    insert into remanence.blocks (
        id, org_id, label, value, "limit", description, read_only, metadata, tags, hidden, extras,
        created_at, updated_at)
    select made.id, p_org_id, made.label, made.value, made."limit", made.description,
        made.read_only, made.metadata, made.tags, made.hidden, made.extras,
        clock_timestamp(), clock_timestamp()
    from jsonb_populate_recordset(null::remanence.blocks, p_blocks) as made
    on conflict (id) do nothing;
    insert into remanence.block_versions (org_id, block_id, version, value)
    select p_org_id, made.id, 1, made.value
    from jsonb_populate_recordset(null::remanence.blocks, p_blocks) as made
    on conflict (block_id, version) do nothing;
end
$$;

CREATE FUNCTION remanence.insert_passages_v1(p_org_id text, p_archive_id text, p_step_id text, p_passages jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
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
    on conflict (passage_id, model) do nothing;
    perform remanence.note_gaps_v1(
        p_archive_id, array(select item ->> 'id' from jsonb_array_elements(p_passages) as item));
end
$$;

CREATE FUNCTION remanence.instant_v1(p jsonb) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
begin
    if p ->> 'step_id' is null then
        return (p ->> 'at')::timestamptz;
    end if;
    return (select created_at from remanence.steps where id = p ->> 'step_id');
end
$$;

CREATE FUNCTION remanence.is_named_v1(p_teller text, p_names text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    select coalesce(
        string_to_array(lower(p_teller), ' ') && p_names
            and (strpos(p_teller, ' ') = 0 or p_teller !~ '\m[[:lower:]]')
        or length(p_teller) between 2 and 20 and octet_length(p_teller) > length(p_teller)
            and p_teller ~ '^[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+$'
            and strpos(array_to_string(p_names, ' '), p_teller) > 0, false)
$_$;

CREATE FUNCTION remanence.keep_attached_archive_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if exists (select from remanence.agents where id = old.agent_id)
        and exists (select from remanence.archives where id = old.archive_id)
    then
        insert into remanence.attachments_past (org_id, agent_id, archive_id, from_at, until_at)
        values (
            old.org_id, old.agent_id, old.archive_id, old.created_at,
            remanence.moment_v1(old.created_at));
    end if;
    return old;
end
$$;

CREATE FUNCTION remanence.keep_attached_block_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    moment timestamptz := remanence.moment_v1(old.attached_at);
begin
    -- of what is being deleted itself nothing is kept
    if exists (select from remanence.agents where id = old.agent_id)
        and exists (select from remanence.blocks where id = old.block_id)
    then
        insert into remanence.attachments_past (
            org_id, agent_id, block_id, position, from_at, until_at)
        values (old.org_id, old.agent_id, old.block_id, old.position, old.attached_at, moment);
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.attached_at := moment;
    return new;
end
$$;

CREATE FUNCTION remanence.keep_passage_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    author jsonb := remanence.author_v1();
    moment timestamptz := remanence.moment_v1(old.updated_at);
    noted text[] := '{version, author, step_id, tool_call_id, updated_at}';
begin
    if tg_op = 'UPDATE'
        and remanence.passage_row_v1(new) - noted = remanence.passage_row_v1(old) - noted
    then
        return new;
    end if;
    -- of an archive that is being deleted nothing is kept
    if exists (select from remanence.archives where id = old.archive_id) then
        insert into remanence.passage_versions (
            org_id, archive_id, passage_id, version, passage, step_id, tool_call_id, author,
            from_at, until_at)
        values (
            old.org_id, old.archive_id, old.id, old.version, remanence.passage_row_v1(old),
            old.step_id, old.tool_call_id, old.author, old.updated_at, moment);
        if tg_op = 'DELETE' then
            insert into remanence.passage_versions (
                org_id, archive_id, passage_id, version, step_id, tool_call_id, author, from_at)
            values (
                old.org_id, old.archive_id, old.id, old.version + 1, author ->> 'step_id',
                author ->> 'tool_call_id', nullif(author, '{}'), moment);
        end if;
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.step_id := author ->> 'step_id';
    new.tool_call_id := author ->> 'tool_call_id';
    new.author := nullif(author, '{}');
    new.updated_at := moment;
    return new;
end
$$;

CREATE FUNCTION remanence.keep_snapshots_v1(p_conversation_id text, p_snapshots jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    conv remanence.conversations;
    is_erased boolean;
begin
    select * into strict conv from remanence.conversations where id = p_conversation_id;
    is_erased := exists (
        select from jsonb_array_elements(p_snapshots) as item,
            jsonb_array_elements_text(item -> 'block_ids') as held (block_id)
        where (select block.id from remanence.blocks as block where block.id = held.block_id) is null);
    with made as (
        insert into remanence.snapshots (org_id, agent_id, hash, kind, body)
        select conv.org_id, conv.agent_id, item ->> 'hash', item ->> 'kind', item ->> 'body'
        from jsonb_array_elements(p_snapshots) as item
        where not is_erased or item -> 'block_ids' = '[]'
        on conflict (agent_id, hash) do nothing
        returning hash)
    insert into remanence.snapshots_blocks (org_id, agent_id, hash, block_id)
    select conv.org_id, conv.agent_id, made.hash, held.block_id
    from made
    join jsonb_array_elements(p_snapshots) as item on item ->> 'hash' = made.hash
    cross join jsonb_array_elements_text(item -> 'block_ids') as held (block_id);
    update remanence.conversations
    set snapshots = (array(
            select item ->> 'hash' from jsonb_array_elements(p_snapshots) as item)
            || snapshots)[:8],  -- KNOWN_SNAPSHOTS of core/receipt.py
        epoch = case when not is_erased then epoch end
    where id = conv.id;
end
$$;

CREATE FUNCTION remanence.line_ages_v1(p_block_id text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    with kept as (
        select past.version, past.value
        from remanence.block_versions as past
        where past.block_id = p_block_id
        order by past.version desc
        limit 200
    ), lines as (
        select line, min(kept.version) as version
        from kept cross join unnest(string_to_array(kept.value, E'\n')) as line
        group by line
    )
    select coalesce(jsonb_object_agg(lines.line, lines.version), '{}')
    from lines
    where lines.version > (select min(kept.version) from kept)
        and lines.line in (
            select unnest(string_to_array(block.value, E'\n'))
            from remanence.blocks as block where block.id = p_block_id)
$$;

CREATE FUNCTION remanence.lines_move_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    holder remanence.agents;
    block remanence.blocks;
    answer jsonb;
    own text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into block from remanence.blocks where id = p ->> 'block_id' for update;
    if not found or block.read_only
        or array(select link.agent_id from remanence.agents_blocks as link
            where link.block_id = block.id) <> array[p ->> 'agent_id']
    then
        return '{"outcome": "stale"}';
    end if;
    answer := remanence.block_update_v1(jsonb_build_object(
        'org_id', p ->> 'org_id', 'block_id', block.id, 'author', '{"origin": "sweep"}'::jsonb,
        'only_version', p -> 'version', 'set', jsonb_build_object('value', p -> 'value')));
    if answer ->> 'outcome' <> 'ok' then
        return '{"outcome": "stale"}';
    end if;
    -- the lock keeps two first insertions from making two archives
    select * into strict holder from remanence.agents
    where id = p ->> 'agent_id' for no key update;
    own := remanence.own_archive_v1(holder, p ->> 'new_archive_id');
    perform remanence.insert_passages_v1(holder.org_id, own, null, (
        select coalesce(jsonb_agg(moved.item || jsonb_build_object(
            'metadata', jsonb_build_object('moved_from', jsonb_build_object(
                'block_id', block.id, 'label', block.label, 'version', block.version)))), '[]')
        from (
            select distinct on (item ->> 'text') item
            from jsonb_array_elements(p -> 'passages') as item
        ) as moved
        where not exists (
            select from remanence.passages as kept
            where kept.archive_id = own and kept.text = moved.item ->> 'text'
                and kept.metadata -> 'moved_from' ->> 'block_id' = block.id)));
    return '{"outcome": "ok"}';
end
$$;

CREATE FUNCTION remanence.memory_at_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    moment timestamptz;
begin
    perform remanence.enter_org(p ->> 'org_id');
    moment := remanence.instant_v1(p);
    if moment is null then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'step', 'id', p ->> 'step_id');
    end if;
    if p ->> 'agent_id' is not null
        and not exists (select from remanence.agents where id = p ->> 'agent_id')
    then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    return jsonb_build_object('outcome', 'ok', 'blocks', (
        with attached as (
            select link.block_id, link.position from remanence.agents_blocks as link
            where link.agent_id = p ->> 'agent_id'
                and (link.attached_at is null or link.attached_at <= moment)
            union all
            select past.block_id, past.position from remanence.attachments_past as past
            where past.agent_id = p ->> 'agent_id' and past.block_id is not null
                and (past.from_at is null or past.from_at <= moment) and past.until_at > moment
            union all
            select p ->> 'block_id', 0
        )
        select coalesce(jsonb_agg(shown.block order by shown.position), '[]')
        from (
            select attached.position, remanence.block_at_v1(block, moment) as block
            from attached
            join remanence.blocks as block on block.id = attached.block_id) as shown
        where shown.block is not null));
end
$$;

CREATE FUNCTION remanence.memory_counts_v1(p_agent_id text, p_window_from_seq bigint) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.message_candidates_v1(p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamp with time zone, p_to timestamp with time zone, p_view_conversation_id text, p_view_from_seq bigint, p_keys tsquery, p_queries tsquery[], p_weights real[], p_is_common boolean[], p_embedding real[], p_model text) RETURNS TABLE(id text, created_at timestamp with time zone, role text, place integer, thread integer, words integer, terms integer[], likeness double precision, is_wanted boolean, texts double precision, size double precision, matched double precision, found integer[], usual double precision)
    LANGUAGE plpgsql STABLE ROWS 5000 PARALLEL SAFE
    SET plan_cache_mode TO 'force_custom_plan'
    SET work_mem TO '64MB'
    SET random_page_cost TO '1.1'
    AS $$
#variable_conflict use_column
begin
    return query
    with terms as materialized (
        select asked.query, asked.term::integer as term
        from unnest(p_queries) with ordinality as asked (query, term)
    ),
    alike as materialized (
        select said.terms, count(*)::double precision as texts, sum(said.words) as words,
            array_agg(said.id) filter (where said.terms is not null) as ids,
            array_agg(said.words) filter (where said.terms is not null) as sizes,
            array_agg(said.created_at) filter (where said.terms is not null) as moments
        from (
            select msg.id, msg.created_at, length(msg.lexemes) as words,
                case when msg.lexemes @@ p_keys then array(
                    select terms.term from terms where msg.lexemes @@ terms.query) end as terms
            from remanence.speech_v1(p_agent_id, p_conversation_id, p_roles, p_from, p_to) as msg
            offset 0
        ) as said
        group by said.terms
    ),
    whole as materialized (
        select sum(alike.texts) as texts, (sum(alike.words) / sum(alike.texts))::double precision
                as size,
            coalesce(sum(alike.texts) filter (where alike.terms is not null), 0) as matched
        from alike
    ),
    counted as materialized (
        select terms.term, coalesce(sum(alike.texts), 0) as texts
        from terms
        left join (alike cross join lateral unnest(alike.terms) as had (term))
            on had.term = terms.term
        group by terms.term
    ),
    worth as materialized (
        select counted.term, remanence.worth_v1(p_weights[counted.term],
            case when p_is_common[counted.term] then whole.matched else whole.texts end,
            counted.texts) as worth
        from counted
        cross join whole
    ),
    by_words as (
        select one.id
        from (
            select alike.ids, alike.sizes, alike.moments, (
                select sum(worth.worth)
                from unnest(alike.terms) as had (term)
                join worth on worth.term = had.term) as worth
            from alike
            where alike.terms is not null
            offset 0  -- once for each group
        ) as alike
        cross join whole
        cross join lateral unnest(alike.ids, alike.sizes, alike.moments)
            as one (id, words, moment)
        order by alike.worth * remanence.share_v1(whole.size, one.words) desc, one.moment desc,
            one.id desc
        limit 400
    ),
    asked (vector, is_for_all) as materialized (
        select remanence.to_halfvec(p_embedding), p_conversation_id is null and p_from is null
            and p_to is null and p_roles @> array['user', 'assistant']
    ),
    compared as materialized (
        select stored.message_id as id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.message_vectors as stored
        where (select asked.is_for_all from asked)
            and stored.agent_id = p_agent_id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        union all
        select stored.message_id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked)))
        from remanence.speech_v1(p_agent_id, p_conversation_id, p_roles, p_from, p_to) as msg
        join remanence.message_vectors as stored on stored.message_id = msg.id
        where not (select asked.is_for_all from asked)
            and msg.role = any (p_roles)
            and stored.agent_id = p_agent_id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
    ),
    by_vector as (
        select nearest.id
        from (
            select compared.* from compared order by compared.likeness desc, compared.id offset 0
        ) as nearest
        cross join lateral (
            select
            from remanence.speech_v1(null, null, p_roles, null, null) as msg
            where msg.id = nearest.id
                and msg.role = any (p_roles)
                and (p_view_from_seq is null
                    or msg.conversation_id <> p_view_conversation_id or msg.seq < p_view_from_seq)
            limit 1  -- asked of the nearest only, until there are enough
        ) as wanted
        order by nearest.likeness desc, nearest.id
        limit 400
    ),
    seeds as (
        select msg.conversation_id, msg.seq, max(seed.reach) as reach
        from (
            select by_words.id, 6 as reach from by_words
            union all
            select by_vector.id, 3 from by_vector
        ) as seed
        cross join lateral (
            select msg.conversation_id, msg.seq
            from remanence.messages as msg
            where msg.id = seed.id
            offset 0  -- one by one, by key
        ) as msg
        group by msg.conversation_id, msg.seq
    ),
    near as (
        -- what stands around several seeds is read for each; which text follows one is not known
        -- of the last around a seed
        select distinct on (around.conversation_id, around.seq) around.*
        from seeds
        cross join lateral (
            select part.*, lead(part.id) over (order by part.seq) as next_id
            from (
                (select msg.conversation_id, msg.seq, msg.id, msg.created_at, msg.role, msg.lexemes
                from remanence.speech_v1(null, null, p_roles, p_from, p_to) as msg
                where msg.conversation_id = seeds.conversation_id and msg.seq <= seeds.seq
                order by msg.seq desc
                limit 1 + seeds.reach)
                union all
                (select msg.conversation_id, msg.seq, msg.id, msg.created_at, msg.role, msg.lexemes
                from remanence.speech_v1(null, null, p_roles, p_from, p_to) as msg
                where msg.conversation_id = seeds.conversation_id and msg.seq > seeds.seq
                order by msg.seq
                limit seeds.reach)
            ) as part
        ) as around
        order by around.conversation_id, around.seq, around.next_id nulls last
    ),
    spoken as (
        select placed.*, (count(*) filter (where placed.is_apart) over (order by placed.place))
                ::integer as thread
        from (
            select near.*, (row_number() over in_order)::integer as place,
                lag(near.next_id) over in_order is distinct from near.id as is_apart
            from near
            window in_order as (order by near.conversation_id, near.seq)
        ) as placed
    )
    select spoken.id, spoken.created_at, spoken.role, spoken.place, spoken.thread,
        length(spoken.lexemes),
        case when spoken.lexemes @@ p_keys then array(
            select terms.term from terms where spoken.lexemes @@ terms.query) end,
        near.likeness,
        spoken.role = any (p_roles) and (p_view_from_seq is null
            or spoken.conversation_id <> p_view_conversation_id or spoken.seq < p_view_from_seq),
        whole.texts, whole.size, whole.matched,
        case when spoken.place = 1 then (
            select array_agg(counted.texts::integer order by counted.term) from counted) end,
        case when spoken.place = 1 then (select avg(compared.likeness) from compared) end
    from spoken
    left join lateral (
        select greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.message_vectors as stored
        where stored.message_id = spoken.id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        offset 0
    ) as near on true
    left join whole on spoken.place = 1;
end
$$;

CREATE FUNCTION remanence.message_vectors_add_v1(p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    handle text := p ->> 'model';
begin
    perform remanence.enter_org(p ->> 'org_id');
    -- the place that has the model already, or else the one that no other wanted model has
    update remanence.conversations as conv
    set vectors_model = case when place.is_first then handle else conv.vectors_model end,
        vectors_to_seq = case when place.is_first then (p ->> 'to_seq')::bigint
            else conv.vectors_to_seq end,
        other_vectors_model = case when place.is_first then conv.other_vectors_model
            else handle end,
        other_vectors_to_seq = case when place.is_first then conv.other_vectors_to_seq
            else (p ->> 'to_seq')::bigint end,
        vectors_claimed_until = case when conv.vectors_claim = p ->> 'claim'
            then clock_timestamp() + (p ->> 'hold_ms')::integer * interval '1 millisecond'
            else conv.vectors_claimed_until end
    from (
        select held.id, held.vectors_model is not distinct from handle
                or held.other_vectors_model is distinct from handle
                and held.vectors_model is distinct from
                    case when agent.embedding = handle then agent.next_embedding
                        else agent.embedding end as is_first
        from remanence.conversations as held
        join remanence.agents as agent on agent.id = held.agent_id
        where held.id = p ->> 'conversation_id'
    ) as place
    where conv.id = place.id;
    insert into remanence.message_vectors (
        message_id, org_id, agent_id, model, dimensions, embedding)
    select msg.id, msg.org_id, msg.agent_id, handle,
        jsonb_array_length(made."values"), remanence.to_halfvec(array(
            select value::real from jsonb_array_elements_text(made."values") as value))
    from jsonb_to_recordset(p -> 'vectors') as made (id text, "values" jsonb)
    join remanence.messages as msg on msg.id = made.id
    where msg.org_id = remanence.current_org()
    on conflict (message_id, model) do update
    set dimensions = excluded.dimensions, embedding = excluded.embedding;
end
$$;

CREATE FUNCTION remanence.messages_reset_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
    delete from remanence.fact_progress where conversation_id = conv.id;  -- seq begins again
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

CREATE FUNCTION remanence.missing_block_v1(p jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select jsonb_build_object('outcome', 'not_found') || case
        when p ->> 'agent_id' is not null
            and not exists (select from remanence.agents where id = p ->> 'agent_id')
        then jsonb_build_object('kind', 'agent', 'id', p ->> 'agent_id')
        else jsonb_build_object('kind', 'block', 'id', coalesce(p ->> 'block_id', p ->> 'label'))
    end
$$;

CREATE TABLE remanence.archive_gaps (
    archive_id text NOT NULL,
    org_id text NOT NULL,
    claim text,
    claimed_until timestamp with time zone,
    cursor_id text,
    refused text[] DEFAULT '{}'::text[] NOT NULL
);

COMMENT ON TABLE remanence.archive_gaps IS 'Archives in which passages may lack vectors.';

COMMENT ON COLUMN remanence.archive_gaps.archive_id IS 'Of the archive; goes with it.';

COMMENT ON COLUMN remanence.archive_gaps.org_id IS 'Whose it is.';

COMMENT ON COLUMN remanence.archive_gaps.claim IS 'Token of the sweep that fills it.';

COMMENT ON COLUMN remanence.archive_gaps.claimed_until IS 'Until then no other sweep does.';

COMMENT ON COLUMN remanence.archive_gaps.cursor_id IS 'The last passage that was looked at, by created_at and id; null: none yet.';

COMMENT ON COLUMN remanence.archive_gaps.refused IS 'Passages whose text the model refuses; they go without.';

CREATE FUNCTION remanence.missing_vectors_v1(p_gap remanence.archive_gaps, p_model text, p_from_start boolean, p_limit integer) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    return (
        select coalesce(jsonb_agg(to_jsonb(missing) order by missing.created_at, missing.id), '[]')
        from (
            select passage.id, passage.version, passage.text, passage.created_at
            from remanence.passages as passage
            where passage.archive_id = p_gap.archive_id
                and (p_from_start or p_gap.cursor_id is null
                    or (passage.created_at, passage.id) > (
                        select seen.created_at, seen.id
                        from remanence.passages as seen where seen.id = p_gap.cursor_id))
                and passage.id <> all(p_gap.refused)
                and not exists (
                    select from remanence.passage_vectors as stored
                    where stored.passage_id = passage.id and stored.model = p_model)
            order by passage.created_at, passage.id
            limit p_limit) as missing);
end
$$;

CREATE FUNCTION remanence.moment_v1(p_after timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS $$
declare
    moment timestamptz := nullif(current_setting('remanence.moment', true), '')::timestamptz;
begin
    if moment is null then
        moment := greatest(clock_timestamp(), p_after + interval '1 microsecond');
        perform set_config('remanence.moment', moment::text, true);
    end if;
    return greatest(moment, p_after + interval '1 microsecond');
end
$$;

CREATE FUNCTION remanence.move_agent_v1(p_agent remanence.agents, p_wanted remanence.agents) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    former text := coalesce(p_agent.next_embedding, p_agent.embedding);
    handle text := coalesce(p_wanted.next_embedding, p_wanted.embedding);
begin
    update remanence.agents
    set embedding = p_wanted.embedding, next_embedding = p_wanted.next_embedding
    where id = p_agent.id;
    if handle is distinct from former then
        perform remanence.move_archive_v1(archive.id, handle)
        from remanence.archives_agents as link
        join remanence.archives as archive on archive.id = link.archive_id
        where link.agent_id = p_agent.id and link.is_owner
            and coalesce(archive.next_embedding, archive.embedding) is not distinct from former;
    end if;
end
$$;

CREATE FUNCTION remanence.move_archive_v1(p_archive_id text, p_handle text) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    archive remanence.archives;
begin
    select * into archive from remanence.archives where id = p_archive_id for no key update;
    update remanence.archives
    set embedding = case when p_handle is null or archive.embedding is null then p_handle
            else archive.embedding end,
        next_embedding = nullif(p_handle, coalesce(archive.embedding, p_handle)),
        updated_at = clock_timestamp()
    where id = archive.id;
    if p_handle is null then
        delete from remanence.archive_gaps where archive_id = archive.id;
    else
        insert into remanence.archive_gaps as gap (archive_id, org_id)
        values (archive.id, archive.org_id)
        on conflict (archive_id) do update
        set cursor_id = null, refused = '{}', claim = null, claimed_until = null;
    end if;
end
$$;

CREATE FUNCTION remanence.move_window_v1(p_conv remanence.conversations, p_step_id text, p_eviction jsonb) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.moving_agents_v1(p_limit integer) RETURNS TABLE(org_id text, agent_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
    select agent.org_id, agent.id
    from remanence.agents as agent
    where agent.next_embedding is not null
        and not exists (
            select from remanence.conversations as conv
            where conv.agent_id = agent.id
                and remanence.vectors_to_seq_v1(conv, agent.next_embedding)
                    < remanence.vectors_to_seq_v1(conv, agent.embedding))
    order by agent.updated_at
    limit p_limit
$$;

CREATE FUNCTION remanence.nearness_v1(p_moment timestamp with time zone, p_starts timestamp with time zone[], p_ends timestamp with time zone[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select coalesce(max(case
        when p_moment < span.starts
            then exp(greatest(-700, extract(epoch from p_moment - span.starts) / 172800))
        when p_moment < span.ends then 1
        else exp(greatest(-700, extract(epoch from span.ends - p_moment) / 1209600))
    end), 0)::double precision
    from unnest(p_starts, p_ends) as span (starts, ends)
$$;

CREATE FUNCTION remanence.note_gaps_v1(p_archive_id text, p_passage_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    archive remanence.archives;
begin
    -- who stores, and the sweep that finds nothing missing, wait for each other
    select * into archive from remanence.archives where id = p_archive_id for share;
    insert into remanence.archive_gaps (archive_id, org_id)
    select archive.id, archive.org_id
    where coalesce(archive.next_embedding, archive.embedding) is not null
        and exists (
            select from remanence.passages as passage
            where passage.id = any(p_passage_ids) and passage.archive_id = archive.id
                and not exists (
                    select from remanence.passage_vectors as stored
                    where stored.passage_id = passage.id
                        and stored.model = coalesce(archive.next_embedding, archive.embedding)))
    on conflict (archive_id) do nothing;
end
$$;

CREATE FUNCTION remanence.number_passage_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.version := 1 + coalesce((
        select max(version) from remanence.passage_versions where passage_id = new.id), 0);
    new.author := nullif(remanence.author_v1(), '{}');
    new.updated_at := remanence.moment_v1();
    return new;
end
$$;

CREATE FUNCTION remanence.own_archive_v1(p_agent remanence.agents, p_new_id text) RETURNS text
    LANGUAGE plpgsql
    AS $$
declare
    own text;
begin
    select link.archive_id into own from remanence.archives_agents as link
    where link.agent_id = p_agent.id
    order by link.is_owner desc, link.created_at limit 1;
    if own is null then
        insert into remanence.archives (id, org_id, name, embedding)
        values (p_new_id, p_agent.org_id, p_agent.name || '''s archive',
            coalesce(p_agent.next_embedding, p_agent.embedding));
        insert into remanence.archives_agents (org_id, agent_id, archive_id, is_owner)
        values (p_agent.org_id, p_agent.id, p_new_id, true);
        own := p_new_id;
    end if;
    return own;
end
$$;

CREATE FUNCTION remanence.own_providers_v1(p_org_id text) RETURNS json
    LANGUAGE plpgsql STABLE
    AS $$
begin
    return (
        select coalesce(json_agg(own order by own.created_at, own.id), '[]')
        from (
            select id, name, provider_type, api_key, created_at
            from remanence.providers
            where org_id = p_org_id) as own);
end
$$;

CREATE FUNCTION remanence.passage_at_v1(p_passage_id text, p_version integer) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    return coalesce(
        (select past.passage from remanence.passage_versions as past
        where past.passage_id = p_passage_id and past.version = p_version),
        (select remanence.passage_row_v1(passage) from remanence.passages as passage
        where passage.id = p_passage_id and passage.version = p_version));
end
$$;

CREATE FUNCTION remanence.passage_candidates_v1(p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamp with time zone, p_to timestamp with time zone, p_as_of timestamp with time zone, p_keys tsquery, p_queries tsquery[], p_weights real[], p_is_common boolean[], p_embedding real[], p_model text) RETURNS TABLE(id text, created_at timestamp with time zone, place integer, thread integer, words integer, terms integer[], likeness double precision, texts double precision, size double precision, matched double precision, found integer[], usual double precision)
    LANGUAGE plpgsql STABLE ROWS 5000 PARALLEL SAFE
    SET plan_cache_mode TO 'force_custom_plan'
    SET work_mem TO '64MB'
    SET random_page_cost TO '1.1'
    AS $$
#variable_conflict use_column
begin
    return query
    with terms as materialized (
        select asked.query, asked.term::integer as term
        from unnest(p_queries) with ordinality as asked (query, term)
    ),
    alike as materialized (
        select said.terms, count(*)::double precision as texts, sum(said.words) as words,
            array_agg(said.id) filter (where said.terms is not null) as ids,
            array_agg(said.words) filter (where said.terms is not null) as sizes,
            array_agg(said.created_at) filter (where said.terms is not null) as moments
        from (
            select passage.id, passage.created_at, length(passage.lexemes) as words,
                case when passage.lexemes @@ p_keys then array(
                    select terms.term from terms where passage.lexemes @@ terms.query) end as terms
            from remanence.eligible_passages_v1(
                p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
            offset 0
        ) as said
        group by said.terms
    ),
    whole as materialized (
        select sum(alike.texts) as texts, (sum(alike.words) / sum(alike.texts))::double precision
                as size,
            coalesce(sum(alike.texts) filter (where alike.terms is not null), 0) as matched
        from alike
    ),
    counted as materialized (
        select terms.term, coalesce(sum(alike.texts), 0) as texts
        from terms
        left join (alike cross join lateral unnest(alike.terms) as had (term))
            on had.term = terms.term
        group by terms.term
    ),
    worth as materialized (
        select counted.term, remanence.worth_v1(p_weights[counted.term],
            case when p_is_common[counted.term] then whole.matched else whole.texts end,
            counted.texts) as worth
        from counted
        cross join whole
    ),
    by_words as (
        select one.id
        from (
            select alike.ids, alike.sizes, alike.moments, (
                select sum(worth.worth)
                from unnest(alike.terms) as had (term)
                join worth on worth.term = had.term) as worth
            from alike
            where alike.terms is not null
            offset 0  -- once for each group
        ) as alike
        cross join whole
        cross join lateral unnest(alike.ids, alike.sizes, alike.moments)
            as one (id, words, moment)
        order by alike.worth * remanence.share_v1(whole.size, one.words) desc, one.moment desc,
            one.id desc
        limit 400
    ),
    asked (vector, is_for_all) as materialized (
        select remanence.to_halfvec(p_embedding), p_tags is null and p_from is null
            and p_to is null and p_as_of is null
    ),
    compared as materialized (
        select stored.passage_id as id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.passage_vectors as stored
        where (select asked.is_for_all from asked)
            and stored.archive_id = any (p_archive_ids)
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        union all
        select stored.passage_id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked)))
        from remanence.eligible_passages_v1(
                p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
        join remanence.passage_vectors as stored on stored.passage_id = passage.id
        where not (select asked.is_for_all from asked)
            and stored.archive_id = any (p_archive_ids)
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
    ),
    by_vector as (
        select nearest.id
        from (
            select compared.* from compared order by compared.likeness desc, compared.id offset 0
        ) as nearest
        cross join lateral (
            select
            from remanence.eligible_passages_v1(
                p_archive_ids, null, null, null, null, p_as_of) as passage
            where passage.id = nearest.id
            limit 1  -- asked of the nearest only, until there are enough
        ) as wanted
        order by nearest.likeness desc, nearest.id
        limit 400
    ),
    seeds as (
        select passage.archive_id, passage.created_at, passage.id, max(seed.reach) as reach
        from (
            select by_words.id, 6 as reach from by_words
            union all
            select by_vector.id, 3 from by_vector
        ) as seed
        cross join lateral (
            select passage.archive_id, passage.created_at, passage.id
            from remanence.passages as passage
            where passage.id = seed.id
            offset 0  -- one by one, by key
        ) as passage
        group by passage.archive_id, passage.created_at, passage.id
    ),
    near as (
        -- what stands around several seeds is read for each; which text follows one is not known
        -- of the last around a seed
        select distinct on (around.archive_id, around.created_at, around.id) around.*
        from seeds
        cross join lateral (
            select part.*, lead(part.id) over (order by part.created_at, part.id) as next_id
            from (
                (select passage.archive_id, passage.created_at, passage.id, passage.lexemes
                from remanence.eligible_passages_v1(
                    p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
                where passage.archive_id = seeds.archive_id
                    and (passage.created_at, passage.id) <= (seeds.created_at, seeds.id)
                order by passage.created_at desc, passage.id desc
                limit 1 + seeds.reach)
                union all
                (select passage.archive_id, passage.created_at, passage.id, passage.lexemes
                from remanence.eligible_passages_v1(
                    p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
                where passage.archive_id = seeds.archive_id
                    and (passage.created_at, passage.id) > (seeds.created_at, seeds.id)
                order by passage.created_at, passage.id
                limit seeds.reach)
            ) as part
        ) as around
        order by around.archive_id, around.created_at, around.id, around.next_id nulls last
    ),
    spoken as (
        select placed.*, (count(*) filter (where placed.is_apart) over (order by placed.place))
                ::integer as thread
        from (
            select near.*, (row_number() over in_order)::integer as place,
                lag(near.next_id) over in_order is distinct from near.id as is_apart
            from near
            window in_order as (order by near.archive_id, near.created_at, near.id)
        ) as placed
    )
    select spoken.id, spoken.created_at, spoken.place, spoken.thread,
        length(spoken.lexemes),
        case when spoken.lexemes @@ p_keys then array(
            select terms.term from terms where spoken.lexemes @@ terms.query) end,
        near.likeness,
        whole.texts, whole.size, whole.matched,
        case when spoken.place = 1 then (
            select array_agg(counted.texts::integer order by counted.term) from counted) end,
        case when spoken.place = 1 then (select avg(compared.likeness) from compared) end
    from spoken
    left join lateral (
        select greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.passage_vectors as stored
        where stored.passage_id = spoken.id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        offset 0
    ) as near on true
    left join whole on spoken.place = 1;
end
$$;

CREATE FUNCTION remanence.passage_delete_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    archive_ids text[];
    is_there boolean;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1(p -> 'author');
    archive_ids := array(
        select archive_id from remanence.passages where id = p ->> 'passage_id'
        union
        select archive_id from remanence.passage_versions where passage_id = p ->> 'passage_id');
    archive_ids := array(
        select home.id from unnest(archive_ids) as home (id)
        where home.id = coalesce(p ->> 'archive_id', home.id)
            and (p ->> 'agent_id' is null or exists (
                select from remanence.archives_agents as link
                where link.archive_id = home.id and link.agent_id = p ->> 'agent_id')));
    delete from remanence.passages
    where id = p ->> 'passage_id' and archive_id = any (archive_ids);
    is_there := found;
    if (p ->> 'erase')::boolean then
        delete from remanence.passage_versions
        where passage_id = p ->> 'passage_id' and archive_id = any (archive_ids);
        is_there := is_there or found;
    end if;
    if not is_there then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'passage', 'id', p ->> 'passage_id');
    end if;
    return '{"outcome": "ok"}';
end
$$;

CREATE FUNCTION remanence.passage_row_v1(p_passage remanence.passages) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS $$
begin
    return to_jsonb(p_passage) - 'lexemes';
end
$$;

CREATE FUNCTION remanence.passage_state_v1(p_passage_id text) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    return coalesce(
        (select jsonb_build_object(
            'outcome', 'ok', 'version', passage.version, 'embedding', archive.embedding,
            'passage', remanence.passage_row_v1(passage)
                || jsonb_build_object('embedding', archive.embedding))
        from remanence.passages as passage
        join remanence.archives as archive on archive.id = passage.archive_id
        where passage.id = p_passage_id),
        (select jsonb_build_object(
            'outcome', 'ok', 'version', past.version, 'embedding', archive.embedding,
            'passage', null)
        from remanence.passage_versions as past
        join remanence.archives as archive on archive.id = past.archive_id
        where past.passage_id = p_passage_id
        order by past.version desc limit 1),
        jsonb_build_object('outcome', 'not_found', 'kind', 'passage', 'id', p_passage_id));
end
$$;

CREATE FUNCTION remanence.passage_undo_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    state jsonb;
    undone integer;
begin
    perform remanence.enter_org(p ->> 'org_id');
    state := remanence.passage_state_v1(p ->> 'passage_id');
    undone := coalesce((p ->> 'version')::integer, (state ->> 'version')::integer);
    if state ->> 'outcome' = 'ok' and undone > (state ->> 'version')::integer then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'version', 'id', undone::text);
    end if;
    return state || jsonb_build_object(
        'undone', undone,
        'before', remanence.passage_at_v1(p ->> 'passage_id', undone - 1),
        'after', remanence.passage_at_v1(p ->> 'passage_id', undone));
end
$$;

CREATE FUNCTION remanence.passage_write_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    wanted remanence.passages := jsonb_populate_record(
        null::remanence.passages, nullif(p -> 'passage', 'null'));
    state jsonb;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1(p -> 'author');
    perform from remanence.passages where id = p ->> 'passage_id' for update;
    state := remanence.passage_state_v1(p ->> 'passage_id');
    if state ->> 'outcome' <> 'ok' then
        return state;
    end if;
    if (state ->> 'version')::integer <> (p ->> 'base_version')::integer then
        return '{"outcome": "stale"}';
    end if;
    if jsonb_typeof(p -> 'passage') <> 'object' then
        delete from remanence.passages where id = p ->> 'passage_id';
    elsif state -> 'passage' <> 'null' then
        update remanence.passages
        set text = wanted.text, tags = wanted.tags, metadata = wanted.metadata,
            created_at = wanted.created_at
        where id = p ->> 'passage_id';
    else
        insert into remanence.passages (
            id, org_id, archive_id, text, tags, metadata, created_at)
        values (
            p ->> 'passage_id', p ->> 'org_id', wanted.archive_id, wanted.text, wanted.tags,
            wanted.metadata, wanted.created_at)
        on conflict (id) do nothing;
        if not found then
            return '{"outcome": "stale"}';
        end if;
    end if;
    if not (p ->> 'keep_vector')::boolean then
        perform remanence.set_vector_v1(p);
    end if;
    return remanence.passage_state_v1(p ->> 'passage_id');
end
$$;

CREATE FUNCTION remanence.passages_add_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
            from rows from (jsonb_to_recordset(p -> 'passages') as (id text)) with ordinality
                as items (id, place)
            join remanence.passages as passage on passage.id = items.id
            join remanence.archives as archive on archive.id = passage.archive_id));
end
$$;

CREATE FUNCTION remanence.passages_at_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.question_terms_v1(p_question text, p_related text[]) RETURNS TABLE(lexeme text, weight real, is_key boolean, is_common boolean)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $_$
    with own as (
        select word.lexeme, case when word.lexeme like '=%' then 0.4 else 1 end as weight,
            word.lexeme like '=%' and to_tsvector(
                'pg_catalog.russian', substr(word.lexeme, 2)) = '' as is_common
        from unnest(tsvector_to_array(remanence.lexemes(p_question))) as word (lexeme)
    ),
    terms as (
        select own.lexeme, own.weight, own.lexeme not like '=%' as is_key, own.is_common
        from own
        union all
        -- of a related word of several characters without spaces, the single ones say nothing
        select distinct other.lexeme, 0.5, true, false
        from unnest(p_related) as related (word)
        cross join lateral unnest(tsvector_to_array(remanence.lexemes(related.word)))
            as other (lexeme)
        where other.lexeme not like '=%'
            and (length(related.word) = 1 or other.lexeme !~ '^u[\u0e00-\uffff]$')
            and not exists (select from own where own.lexeme = other.lexeme)
    )
    select terms.lexeme, terms.weight::real,
        terms.is_key or not exists (select from terms as other where other.is_key),
        terms.is_common
    from terms
    order by terms.weight desc, length(terms.lexeme) desc, terms.lexeme
    limit 128
$_$;

CREATE FUNCTION remanence.raise_v1(p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_age interval) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select (1 + p_near)
        * case when p_is_speaker then 1.6 else 1 end
        * case when p_has_phrase then 1.5 else 1 end
        * (1 + 0.02 * exp(-least(700, greatest(0, extract(epoch from p_age)) / 7776000)))
$$;

CREATE FUNCTION remanence.raise_v2(p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_age interval) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select (1 + p_near)
        * case when p_is_speaker then 1.6 else 1 end
        * case when p_has_phrase then 1.5 else 1 end
        * case when length(p_text) < 200
            and right(rtrim(p_text, E' \t\r\n"'')'), 1) in ('?', '？', '؟') then 0.85 else 1 end
        * (1 + 0.02 * exp(-least(700, greatest(0, extract(epoch from p_age)) / 7776000)))
$$;

CREATE FUNCTION remanence.raise_v3(p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_is_of_user boolean, p_age interval) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select (1 + p_near)
        * case when p_is_speaker then 1.6 else 1 end
        * case when p_has_phrase then 1.5 else 1 end
        * case when length(p_text) < case when p_is_of_user then 80 else 200 end
            and right(rtrim(p_text, E' \t\r\n"'')'), 1) in ('?', '？', '؟') then 0.75 else 1 end
        * (1 + 0.02 * exp(-least(700, greatest(0, extract(epoch from p_age)) / 7776000)))
$$;

CREATE FUNCTION remanence.rank_by_vector_v1(p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_around double precision) RETURNS TABLE(place integer, likeness double precision, nearness double precision)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select around.place, around.likeness, around.likeness + p_around * (
        0.18 * coalesce(around.before_1, around.usual)
        + 0.06 * coalesce(around.before_2, around.usual)
        + 0.12 * coalesce(around.after_1, around.usual)
        + 0.03 * coalesce(around.after_2, around.usual))
    from (
        select told.place, told.likeness, avg(told.likeness) over () as usual,
            case when told.moment - lag(told.moment) over thread <= interval '1 hour'
                    and told.moment > lag(told.moment) over thread
                then lag(told.likeness) over thread end as before_1,
            case when told.moment - lag(told.moment, 2) over thread <= interval '1 hour'
                    and told.moment > lag(told.moment, 2) over thread
                then lag(told.likeness, 2) over thread end as before_2,
            case when lead(told.moment) over thread - told.moment <= interval '1 hour'
                    and lead(told.moment) over thread > told.moment
                then lead(told.likeness) over thread end as after_1,
            case when lead(told.moment, 2) over thread - told.moment <= interval '1 hour'
                    and lead(told.moment, 2) over thread > told.moment
                then lead(told.likeness, 2) over thread end as after_2
        from (
            select told.place::integer as place, told.thread, told.moment, told.likeness
            from unnest(p_threads, p_moments, p_likeness) with ordinality
                as told (thread, moment, likeness, place)
            where told.likeness is not null
        ) as told
        window thread as (partition by told.thread order by told.place)
    ) as around
$$;

CREATE FUNCTION remanence.rank_by_vector_v2(p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_around double precision, p_usual double precision) RETURNS TABLE(place integer, likeness double precision, nearness double precision)
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select around.place, around.likeness, around.likeness + p_around * (
        0.18 * coalesce(around.before_1, around.usual)
        + 0.06 * coalesce(around.before_2, around.usual)
        + 0.12 * coalesce(around.after_1, around.usual)
        + 0.03 * coalesce(around.after_2, around.usual))
    from (
        select told.place, told.likeness, coalesce(p_usual, avg(told.likeness) over ()) as usual,
            case when told.moment - lag(told.moment) over thread <= interval '1 hour'
                    and told.moment > lag(told.moment) over thread
                then lag(told.likeness) over thread end as before_1,
            case when told.moment - lag(told.moment, 2) over thread <= interval '1 hour'
                    and told.moment > lag(told.moment, 2) over thread
                then lag(told.likeness, 2) over thread end as before_2,
            case when lead(told.moment) over thread - told.moment <= interval '1 hour'
                    and lead(told.moment) over thread > told.moment
                then lead(told.likeness) over thread end as after_1,
            case when lead(told.moment, 2) over thread - told.moment <= interval '1 hour'
                    and lead(told.moment, 2) over thread > told.moment
                then lead(told.likeness, 2) over thread end as after_2
        from (
            select told.place::integer as place, told.thread, told.moment, told.likeness
            from unnest(p_threads, p_moments, p_likeness) with ordinality
                as told (thread, moment, likeness, place)
            where told.likeness is not null
        ) as told
        window thread as (partition by told.thread order by told.place)
    ) as around
$$;

CREATE FUNCTION remanence.rank_by_words_v1(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[]) RETURNS TABLE(place integer, relevance double precision)
    LANGUAGE sql STABLE ROWS 500 PARALLEL SAFE
    SET enable_nestloop TO 'off'
    AS $$
    with hits as materialized (
        select hit.place, hit.term, scope.typical / (p_words[hit.place] + 30) as share,
            p_threads[hit.place] as thread, p_moments[hit.place] as moment
        from unnest(p_hit_places, p_hit_terms) as hit (place, term)
        cross join (
            select 30 + avg(size.words)::double precision as typical
            from unnest(p_words) as size (words)
        ) as scope
    ),
    matched as (
        select count(distinct hits.place)::double precision as texts from hits
    ),
    terms as materialized (
        select hits.term, p_weights[hits.term] * ln(1 + greatest(0,
            case when p_is_common[hits.term] then min(matched.texts) else cardinality(p_words) end
                - count(*) + 0.5) / (count(*) + 0.5)) as worth
        from hits
        cross join matched
        group by hits.term
    ),
    seeds as (
        select own.place
        from (
            select hits.place, sum(terms.worth * hits.share / (hits.share + 0.9)) as relevance
            from hits
            join terms on terms.term = hits.term
            group by hits.place
        ) as own
        order by own.relevance desc, own.place desc
        limit 400
    ),
    steps (step, share) as (
        values (0, 1.0::double precision), (-1, 0.4), (-2, 0.2), (-3, 0.1),
            (1, 0.3), (2, 0.15), (3, 0.05)
    ),
    area as materialized (
        select distinct seeds.place - steps.step as place
        from seeds
        cross join steps
        where seeds.place - steps.step between 1 and cardinality(p_words)
    ),
    heard as (
        select area.place, hits.term, sum(steps.share * hits.share) as share
        from area
        cross join steps
        join hits on hits.place = area.place + steps.step
        where steps.step = 0 or (
            hits.thread = p_threads[area.place]
            and hits.moment <> p_moments[area.place]
            and hits.moment between p_moments[area.place] - interval '1 hour'
                and p_moments[area.place] + interval '1 hour')
        group by area.place, hits.term
    )
    select heard.place, sum(terms.worth * heard.share / (heard.share + 0.9))
    from heard
    join terms on terms.term = heard.term
    group by heard.place
$$;

CREATE FUNCTION remanence.rank_by_words_v2(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[], p_around double precision) RETURNS TABLE(place integer, relevance double precision)
    LANGUAGE sql STABLE ROWS 500 PARALLEL SAFE
    SET enable_nestloop TO 'off'
    AS $$
    with hits as materialized (
        select hit.place, hit.term, scope.typical / (p_words[hit.place] + 60) as share,
            p_threads[hit.place] as thread, p_moments[hit.place] as moment
        from unnest(p_hit_places, p_hit_terms) as hit (place, term)
        cross join (
            select 60 + avg(size.words)::double precision as typical
            from unnest(p_words) as size (words)
        ) as scope
    ),
    matched as (
        select count(distinct hits.place)::double precision as texts from hits
    ),
    terms as materialized (
        select hits.term, p_weights[hits.term] * ln(1 + greatest(0,
            case when p_is_common[hits.term] then min(matched.texts) else cardinality(p_words) end
                - count(*) + 0.5) / (count(*) + 0.5)) as worth
        from hits
        cross join matched
        group by hits.term
    ),
    seeds as (
        select own.place
        from (
            select hits.place, sum(terms.worth * hits.share / (hits.share + 1.1)) as relevance
            from hits
            join terms on terms.term = hits.term
            group by hits.place
        ) as own
        order by own.relevance desc, own.place desc
        limit 400
    ),
    steps (step, share) as (
        values (0, 1.0::double precision), (-1, 0.36 * p_around), (-2, 0.18 * p_around),
            (-3, 0.09 * p_around), (1, 0.27 * p_around), (2, 0.14 * p_around), (3, 0.05 * p_around)
    ),
    area as materialized (
        select distinct seeds.place - steps.step as place
        from seeds
        cross join steps
        where seeds.place - steps.step between 1 and cardinality(p_words)
            and steps.share > 0
    ),
    heard as (
        select area.place, hits.term, sum(steps.share * hits.share) as share
        from area
        cross join steps
        join hits on hits.place = area.place + steps.step
        where steps.step = 0 or (
            hits.thread = p_threads[area.place]
            and hits.moment <> p_moments[area.place]
            and hits.moment between p_moments[area.place] - interval '1 hour'
                and p_moments[area.place] + interval '1 hour')
        group by area.place, hits.term
    )
    select heard.place, sum(terms.worth * heard.share / (heard.share + 1.1))
    from heard
    join terms on terms.term = heard.term
    group by heard.place
    having sum(heard.share) > 0
$$;

CREATE FUNCTION remanence.rank_by_words_v3(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[], p_around double precision, p_texts double precision, p_size double precision, p_matched double precision, p_found integer[]) RETURNS TABLE(place integer, relevance double precision)
    LANGUAGE sql STABLE ROWS 500 PARALLEL SAFE
    SET enable_nestloop TO 'off'
    AS $$
    with hits as materialized (
        select hit.place, hit.term, scope.typical / (p_words[hit.place] + 60) as share,
            p_threads[hit.place] as thread, p_moments[hit.place] as moment
        from unnest(p_hit_places, p_hit_terms) as hit (place, term)
        cross join (
            select 60 + coalesce(p_size, avg(size.words)::double precision) as typical
            from unnest(p_words) as size (words)
        ) as scope
    ),
    matched as (
        select coalesce(p_matched, count(distinct hits.place)) as texts from hits
    ),
    terms as materialized (
        select had.term, remanence.worth_v1(p_weights[had.term],
            case when p_is_common[had.term] then matched.texts
                else coalesce(p_texts, cardinality(p_words)) end, had.texts) as worth
        from (
            select hits.term, coalesce(p_found[hits.term], count(*)) as texts
            from hits
            group by hits.term
        ) as had
        cross join matched
    ),
    seeds as (
        select own.place
        from (
            select hits.place, sum(terms.worth * hits.share / (hits.share + 1.1)) as relevance
            from hits
            join terms on terms.term = hits.term
            group by hits.place
        ) as own
        order by own.relevance desc, own.place desc
        limit 400
    ),
    steps (step, share) as (
        values (0, 1.0::double precision), (-1, 0.36 * p_around), (-2, 0.18 * p_around),
            (-3, 0.09 * p_around), (1, 0.27 * p_around), (2, 0.14 * p_around), (3, 0.05 * p_around)
    ),
    area as materialized (
        select distinct seeds.place - steps.step as place
        from seeds
        cross join steps
        where seeds.place - steps.step between 1 and cardinality(p_words)
            and steps.share > 0
    ),
    heard as (
        select area.place, hits.term, sum(steps.share * hits.share) as share
        from area
        cross join steps
        join hits on hits.place = area.place + steps.step
        where steps.step = 0 or (
            hits.thread = p_threads[area.place]
            and hits.moment <> p_moments[area.place]
            and hits.moment between p_moments[area.place] - interval '1 hour'
                and p_moments[area.place] + interval '1 hour')
        group by area.place, hits.term
    )
    select heard.place, sum(terms.worth * heard.share / (heard.share + 1.1))
    from heard
    join terms on terms.term = heard.term
    group by heard.place
    having sum(heard.share) > 0
$$;

CREATE FUNCTION remanence.rank_v1(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_hit_places integer[], p_hit_terms integer[], p_starts timestamp with time zone[], p_ends timestamp with time zone[], p_around double precision, p_keep integer) RETURNS TABLE(place integer, relevance double precision, likeness double precision, lexical_rank bigint, vector_rank bigint, near double precision, weight double precision)
    LANGUAGE sql STABLE ROWS 100 PARALLEL SAFE
    AS $$
    with by_words as (
        select ranked.place, ranked.relevance,
            row_number() over (order by ranked.relevance desc, ranked.place desc) as rank
        from remanence.rank_by_words_v2(
            p_weights, p_is_common, p_words, p_threads, p_moments, p_hit_places, p_hit_terms,
            p_around) as ranked
        where p_hit_places is not null
    ),
    by_vector as (
        select ranked.place, ranked.likeness, ranked.nearness,
            row_number() over (order by ranked.likeness desc, ranked.place desc) as rank
        from remanence.rank_by_vector_v1(p_threads, p_moments, p_likeness, p_around) as ranked
    ),
    legs as (
        select coalesce(by_words.place, by_vector.place) as place, by_words.relevance,
            by_vector.likeness, by_words.rank as lexical_rank, by_vector.rank as vector_rank,
            coalesce(by_words.relevance / nullif(max(by_words.relevance) over (), 0), 0)
                + coalesce(coalesce(by_vector.nearness, avg(by_vector.nearness) over ())
                    / nullif(max(by_vector.nearness) over (), 0), 0) as weight
        from by_words
        full join by_vector on by_vector.place = by_words.place
    )
    select legs.place, legs.relevance, legs.likeness, legs.lexical_rank, legs.vector_rank,
        timed.near, legs.weight
    from legs
    cross join lateral (
        select remanence.nearness_v1(p_moments[legs.place], p_starts, p_ends) as near
        offset 0
    ) as timed
    order by legs.weight * (1 + timed.near) desc, legs.place desc
    limit p_keep
$$;

CREATE FUNCTION remanence.rank_v2(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_hit_places integer[], p_hit_terms integer[], p_starts timestamp with time zone[], p_ends timestamp with time zone[], p_around double precision, p_keep integer, p_texts double precision, p_size double precision, p_matched double precision, p_found integer[], p_usual double precision) RETURNS TABLE(place integer, relevance double precision, likeness double precision, lexical_rank bigint, vector_rank bigint, near double precision, weight double precision)
    LANGUAGE sql STABLE ROWS 100 PARALLEL SAFE
    AS $$
    with by_words as (
        select ranked.place, ranked.relevance,
            row_number() over (order by ranked.relevance desc, ranked.place desc) as rank
        from remanence.rank_by_words_v3(
            p_weights, p_is_common, p_words, p_threads, p_moments, p_hit_places, p_hit_terms,
            p_around, p_texts, p_size, p_matched, p_found) as ranked
        where p_hit_places is not null
    ),
    by_vector as (
        select ranked.place, ranked.likeness, ranked.nearness,
            row_number() over (order by ranked.likeness desc, ranked.place desc) as rank
        from remanence.rank_by_vector_v2(
            p_threads, p_moments, p_likeness, p_around, p_usual) as ranked
    ),
    usual (nearness) as (
        select p_usual * (1 + 0.39 * p_around)  -- and that of its neighbours
    ),
    legs as (
        select coalesce(by_words.place, by_vector.place) as place, by_words.relevance,
            by_vector.likeness, by_words.rank as lexical_rank, by_vector.rank as vector_rank,
            coalesce(by_words.relevance / nullif(max(by_words.relevance) over (), 0), 0)
                + coalesce(coalesce(by_vector.nearness, usual.nearness,
                        avg(by_vector.nearness) over ())
                    / nullif(max(by_vector.nearness) over (), 0), 0) as weight
        from by_words
        full join by_vector on by_vector.place = by_words.place
        cross join usual
    )
    select legs.place, legs.relevance, legs.likeness, legs.lexical_rank, legs.vector_rank,
        timed.near, legs.weight
    from legs
    cross join lateral (
        select remanence.nearness_v1(p_moments[legs.place], p_starts, p_ends) as near
        offset 0
    ) as timed
    order by legs.weight * (1 + timed.near) desc, legs.place desc
    limit p_keep
$$;

CREATE FUNCTION remanence.refuse_run_v1(p_run_id text, p_refusal jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    waits boolean := p_refusal ->> 'outcome' = 'pending';
    calls text := (
        select coalesce(string_agg(call_id, ', '), 'none')
        from jsonb_array_elements_text(p_refusal -> 'call_ids') as call_id);
begin
    update remanence.runs
    set status = 'failed', stop_reason = 'error', completed_at = clock_timestamp(),
        error = jsonb_build_object(
            'type', case when waits then 'PENDING_APPROVAL' else 'invalid_request' end,
            'message', case when waits
                then format('when its turn came the agent had begun to wait for an approval: answer'
                    ' the tool calls %s of message %s, then send this again',
                    calls, p_refusal ->> 'message_id')
                else format('when its turn came these tool calls had been answered, or given up;'
                    ' waiting now: %s', calls) end),
        callback_due_at = case when callback_url is not null then clock_timestamp() end
    where id = p_run_id;
end
$$;

CREATE FUNCTION remanence.refuse_v1(p_outcome jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    raise exception using
        errcode = 'RM001', message = p_outcome ->> 'outcome', detail = p_outcome::text;
end
$$;

CREATE FUNCTION remanence.require_agents_v1(p_agent_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    missing text;
begin
    perform from remanence.agents where id = any (p_agent_ids) order by id for key share;
    select wanted into missing
    from unnest(p_agent_ids) as wanted
    where not exists (select from remanence.agents where id = wanted)
    limit 1;
    if missing is not null then
        perform remanence.refuse_v1(
            jsonb_build_object('outcome', 'not_found', 'kind', 'agent', 'id', missing));
    end if;
end
$$;

CREATE FUNCTION remanence.require_blocks_v1(p_block_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    missing text;
begin
    perform from remanence.blocks where id = any (p_block_ids) order by id for key share;
    select wanted into missing
    from unnest(p_block_ids) as wanted
    where not exists (select from remanence.blocks where id = wanted)
    limit 1;
    if missing is not null then
        perform remanence.refuse_v1(
            jsonb_build_object('outcome', 'not_found', 'kind', 'block', 'id', missing));
    end if;
end
$$;

CREATE FUNCTION remanence.require_identities_v1(p_identity_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    missing text;
begin
    perform from remanence.identities where id = any (p_identity_ids) order by id for key share;
    select wanted into missing
    from unnest(p_identity_ids) as wanted
    where not exists (select from remanence.identities where id = wanted)
    limit 1;
    if missing is not null then
        perform remanence.refuse_v1(
            jsonb_build_object('outcome', 'not_found', 'kind', 'identity', 'id', missing));
    end if;
end
$$;

CREATE FUNCTION remanence.run_cancel_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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
    -- calls that wait for an approval are given up, and the run that asked for it
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
        update remanence.runs
        set cancel_requested = true, status = 'cancelled', stop_reason = 'cancelled'
        where id = run.id;
        answer := answer || jsonb_build_object('id', run.id, 'status', 'cancelled');
    end loop;
    return answer;
end
$$;

CREATE FUNCTION remanence.run_start_v1(p jsonb) RETURNS json
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.run_steps_v1(p_run_id text) RETURNS json
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.said(role text, parts jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
declare
    part jsonb;
    said text := '';
begin
    if role not in ('user', 'assistant', 'system') then
        return null;
    end if;
    for part in select value from jsonb_array_elements(parts) loop
        if part ->> 'type' = 'text' then
            said := said || ' ' || (part ->> 'text');
        elsif part ->> 'type' = 'tool_call' and part ->> 'name' = 'send_message' then
            begin
                said := said || ' ' || coalesce((part ->> 'arguments')::jsonb ->> 'message', '');
            exception when others then null;  -- arguments that are not JSON: nothing was said
            end;
        end if;
    end loop;
    return nullif(ltrim(said), '');
end
$$;

CREATE FUNCTION remanence.set_agent_belongings_v1(p_agent remanence.agents, p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    identity_ids text[] := remanence.ids_of_v1(p -> 'identity_ids');
begin
    if identity_ids is not null then
        perform remanence.require_identities_v1(identity_ids);
        delete from remanence.agents_identities
        where agent_id = p_agent.id and not identity_id = any (identity_ids);
        insert into remanence.agents_identities (org_id, agent_id, identity_id)
        select p_agent.org_id, p_agent.id, wanted_id from unnest(identity_ids) as wanted_id
        on conflict (agent_id, identity_id) do nothing;
    end if;
    if jsonb_typeof(p -> 'secrets') = 'object' then
        delete from remanence.agent_secrets
        where agent_id = p_agent.id and not p -> 'secrets' ? name;
        insert into remanence.agent_secrets (org_id, agent_id, name, value)
        select p_agent.org_id, p_agent.id, given.name, given.seal
        from jsonb_each_text(p -> 'secrets') as given (name, seal)
        on conflict (agent_id, name) do update
        set value = excluded.value, updated_at = clock_timestamp();
    end if;
end
$$;

CREATE FUNCTION remanence.set_agent_blocks_v1(p_org_id text, p_agent_id text, p_block_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    twice text;
begin
    select block.label into twice
    from remanence.blocks as block
    where block.id = any (p_block_ids)
    group by block.label having count(*) > 1
    limit 1;
    if twice is not null then
        perform remanence.refuse_v1(jsonb_build_object(
            'outcome', 'conflict', 'message', format(
                'agent %L would have two blocks with the label %L; labels are unique per agent',
                p_agent_id, twice)));
    end if;
    delete from remanence.agents_blocks
    where agent_id = p_agent_id and not block_id = any (p_block_ids);
    insert into remanence.agents_blocks (org_id, agent_id, block_id, label, position)
    select p_org_id, p_agent_id, block.id, block.label, min(wanted.place)
    from unnest(p_block_ids) with ordinality as wanted (id, place)
    join remanence.blocks as block on block.id = wanted.id
    group by block.id, block.label
    on conflict (agent_id, block_id) do update set position = excluded.position;
exception
    when unique_violation then  -- one of its other blocks was given the label at this moment
        perform remanence.refuse_v1(jsonb_build_object(
            'outcome', 'conflict', 'message', format(
                'agent %L has another block with the same label by now', p_agent_id)));
end
$$;

CREATE FUNCTION remanence.set_agent_tools_v1(p_org_id text, p_agent_id text, p_tool_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    delete from remanence.agents_tools
    where agent_id = p_agent_id and not tool_id = any (p_tool_ids);
    insert into remanence.agents_tools (org_id, agent_id, tool_id, position)
    select p_org_id, p_agent_id, wanted.id, wanted.place
    from unnest(p_tool_ids) with ordinality as wanted (id, place)
    on conflict (agent_id, tool_id) do update set position = excluded.position;
end
$$;

CREATE FUNCTION remanence.set_vector_v1(p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    delete from remanence.passage_vectors where passage_id = p ->> 'passage_id';
    if jsonb_typeof(p -> 'embedding') = 'array' then
        insert into remanence.passage_vectors (
            passage_id, org_id, archive_id, model, dimensions, embedding)
        select passage.id, passage.org_id, passage.archive_id, p ->> 'embedding_model',
            jsonb_array_length(p -> 'embedding'),
            remanence.to_halfvec(array(
                select value::real from jsonb_array_elements_text(p -> 'embedding') as value))
        from remanence.passages as passage
        where passage.id = p ->> 'passage_id';
    end if;
    perform remanence.note_gaps_v1(passage.archive_id, array[passage.id])
    from remanence.passages as passage
    where passage.id = p ->> 'passage_id';
end
$$;

CREATE FUNCTION remanence.share_moment_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    moment timestamptz := nullif(current_setting('remanence.moment', true), '')::timestamptz;
begin
    -- one that was taken already belongs to blocks of the same step, and lies before it; a row
    -- that is older than this transaction was copied
    if moment is null and new.created_at >= now() then
        perform set_config('remanence.moment', new.created_at::text, true);
    end if;
    update remanence.attachments_past set step_id = new.id
    where agent_id = new.agent_id and until_at = moment and block_id is not null;
    return new;
end
$$;

CREATE FUNCTION remanence.share_v1(p_size double precision, p_words integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select (60 + p_size) / (60 + p_size + 1.1 * (60 + p_words))
$$;

CREATE FUNCTION remanence.shown_types_v1(role text, parts jsonb, p_speech_tool text) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
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

CREATE FUNCTION remanence.side_v1(p_teller text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select case
        when lower(p_teller) in ('user', 'human', '用户', '使用者', '我', 'ユーザー', 'ユーザ', '사용자',
            'пользователь', 'nutzer', 'benutzer', 'usuario', 'utilisateur', 'usuário', 'utente',
            'ผู้ใช้', 'المستخدم', 'مستخدم') then 'user'
        when lower(p_teller) in ('assistant', 'ai', 'bot', 'chatbot', '助手', '助理', 'アシスタント',
            '어시스턴트', 'ассистент', 'помощник', 'assistent', 'asistente', 'assistente',
            'ผู้ช่วย', 'المساعد', 'مساعد') then 'assistant'
    end
$$;

CREATE FUNCTION remanence.sign_block_version_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    block remanence.blocks;
begin
    select * into block from remanence.blocks where id = new.block_id;
    if new.label is null then
        new.label := block.label;
        new.description := block.description;
        new."limit" := block."limit";
        new.read_only := block.read_only;
    end if;
    new.author := nullif(remanence.author_v1(), '{}');
    new.created_at := remanence.moment_v1((
        select before.created_at from remanence.block_versions as before
        where before.block_id = new.block_id and before.version = new.version - 1));
    return new;
end
$$;

CREATE FUNCTION remanence.sign_v1(p_author jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform set_config('remanence.author', coalesce(p_author, '{}')::text, true);
end
$$;

CREATE TABLE remanence.messages (
    conversation_id text NOT NULL,
    seq bigint NOT NULL,
    id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    run_id text,
    step_id text,
    role text NOT NULL,
    parts jsonb NOT NULL,
    name text,
    otid text,
    sender_id text,
    tokens integer DEFAULT 0 NOT NULL,
    lexemes tsvector GENERATED ALWAYS AS ((COALESCE(remanence.lexemes(name), ''::tsvector) || remanence.lexemes(remanence.said(role, parts)))) STORED,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT messages_role_check CHECK ((role = ANY (ARRAY['system'::text, 'user'::text, 'assistant'::text, 'tool'::text, 'approval'::text, 'summary'::text])))
);

CREATE FUNCTION remanence.speech_v1(p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamp with time zone, p_to timestamp with time zone) RETURNS SETOF remanence.messages
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    select msg.*
    from remanence.messages as msg
    where msg.org_id = (select remanence.current_org())
        and (p_agent_id is null or msg.agent_id = p_agent_id)
        and (p_conversation_id is null or msg.conversation_id = p_conversation_id)
        and (msg.role in ('user', 'assistant')
            or msg.role = 'system' and msg.role = any (p_roles))
        and msg.lexemes is not null
        and (p_from is null or msg.created_at >= p_from)
        and (p_to is null or msg.created_at <= p_to)
$$;

CREATE FUNCTION remanence.spend_record_v1(p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.add_usage_v1(p);
    delete from remanence.spend_reservations where step_id = p ->> 'step_id';
end
$$;

CREATE FUNCTION remanence.spend_reserve_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    answer numeric := (p ->> 'answer_tokens')::numeric;
    per_token numeric := (p ->> 'answer_usd_micros')::numeric;
    org_caps jsonb;
    agent_caps jsonb;
    cap record;
    spent record;
    left_over numeric;
    tightest jsonb;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select caps into org_caps from remanence.organizations where id = p ->> 'org_id';
    if org_caps is not null then
        select caps into org_caps from remanence.organizations
        where id = p ->> 'org_id' for no key update;
    end if;
    select caps into agent_caps from remanence.agents
    where id = p ->> 'agent_id' for no key update;
    for cap in
        select caps.scope, period.key as period, amount.key as unit, amount.value::bigint as most
        from (values ('organization', org_caps), ('agent', agent_caps)) as caps (scope, limits),
            jsonb_each(caps.limits) as period, jsonb_each_text(period.value) as amount
        where amount.value is not null
    loop
        if cap.unit = 'usd_micros' and p ->> 'prompt_usd_micros' is null then
            return jsonb_build_object('outcome', 'unpriced', 'scope', cap.scope);
        end if;
        spent := remanence.spent_v1(
            p ->> 'org_id', case when cap.scope = 'agent' then p ->> 'agent_id' end,
            p ->> 'run_id', cap.period, p ->> 'step_id');
        if cap.unit = 'tokens' then
            left_over := cap.most - spent.tokens - spent.held_tokens
                - (p ->> 'prompt_tokens')::bigint;
        else
            left_over := cap.most - spent.usd_micros - spent.held_usd_micros
                - (p ->> 'prompt_usd_micros')::bigint;
            if left_over >= 0 then  -- a model that costs nothing may answer at any length
                left_over := case when per_token > 0 then left_over / per_token else answer end;
            end if;
        end if;
        if left_over < answer then
            answer := floor(left_over);
            tightest := jsonb_build_object(
                'scope', cap.scope, 'period', cap.period, 'unit', cap.unit, 'limit', cap.most,
                'used', case cap.unit when 'tokens' then spent.tokens else spent.usd_micros end,
                'reserved', case cap.unit
                    when 'tokens' then spent.held_tokens else spent.held_usd_micros end);
        end if;
    end loop;
    if answer < (p ->> 'least_answer_tokens')::numeric then
        return tightest || '{"outcome": "refused"}';
    end if;
    delete from remanence.spend_reservations
    where step_id in (  -- one that is being given back by a commit is left to it
        select step_id from remanence.spend_reservations
        where org_id = p ->> 'org_id' and agent_id = p ->> 'agent_id'
            and expires_at < clock_timestamp()
        for update skip locked);
    insert into remanence.spend_reservations (
        step_id, org_id, agent_id, run_id, tokens, usd_micros, expires_at)
    values (
        p ->> 'step_id', p ->> 'org_id', p ->> 'agent_id', p ->> 'run_id',
        (p ->> 'prompt_tokens')::bigint + answer::bigint,
        coalesce((p ->> 'prompt_usd_micros')::bigint + ceil(answer * per_token), 0)::bigint,
        clock_timestamp() + (p ->> 'hold_ms')::integer * interval '1 millisecond')
    on conflict (step_id) do update
    set tokens = excluded.tokens, usd_micros = excluded.usd_micros,
        expires_at = excluded.expires_at;
    return jsonb_build_object('outcome', 'ok', 'answer_tokens', answer::bigint);
end
$$;

CREATE FUNCTION remanence.spent_v1(p_org_id text, p_agent_id text, p_run_id text, p_period text, p_step_id text, OUT tokens bigint, OUT usd_micros bigint, OUT held_tokens bigint, OUT held_usd_micros bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
begin
    if p_period = 'run' then
        select coalesce(sum(step.prompt_tokens + step.completion_tokens), 0),
            coalesce(sum((step.receipt -> 'spend' ->> 'usd_micros')::bigint), 0)
        into tokens, usd_micros
        from remanence.steps as step where step.run_id = p_run_id;
    elsif p_agent_id is not null then
        select coalesce(sum(day.prompt_tokens + day.completion_tokens), 0),
            coalesce(sum(day.usd_micros), 0)
        into tokens, usd_micros
        from remanence.usage_daily as day
        where day.agent_id = p_agent_id and (
            p_period = 'total' or day.day = (clock_timestamp() at time zone 'utc')::date);
    else
        select coalesce(sum(day.prompt_tokens + day.completion_tokens), 0),
            coalesce(sum(day.usd_micros), 0)
        into tokens, usd_micros
        from remanence.usage_daily as day
        where day.org_id = p_org_id and (
            p_period = 'total' or day.day = (clock_timestamp() at time zone 'utc')::date);
    end if;
    select coalesce(sum(held.tokens), 0), coalesce(sum(held.usd_micros), 0)
    into held_tokens, held_usd_micros
    from remanence.spend_reservations as held
    where held.org_id = p_org_id
        and (p_agent_id is null or held.agent_id = p_agent_id)
        and (p_period <> 'run' or held.run_id = p_run_id)
        and held.step_id <> p_step_id
        and held.expires_at > clock_timestamp();
end
$$;

CREATE FUNCTION remanence.state_v1(p_conv remanence.conversations, p_run remanence.runs, p_is_new boolean) RETURNS json
    LANGUAGE plpgsql
    AS $$
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
        'org_caps', (select caps from remanence.organizations where id = p_conv.org_id),
        'own_providers', remanence.own_providers_v1(p_conv.org_id),
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

CREATE FUNCTION remanence.step_begin_v1(p jsonb) RETURNS json
    LANGUAGE plpgsql
    AS $$
declare
    conv remanence.conversations;
    run remanence.runs;
    refusal jsonb;
    is_new boolean;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    if not found then
        return json_build_object(
            'outcome', 'not_found', 'kind', 'conversation', 'id', p ->> 'conversation_id');
    end if;
    loop
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
        exit when not is_new;
        refusal := remanence.approval_refusal_v1(conv, jsonb_build_object('answers', (
            select coalesce(jsonb_agg(part -> 'tool_call_id'), '[]')
            from jsonb_array_elements(run.input) as item,
                jsonb_array_elements(item -> 'parts') as part
            where item ->> 'role' = 'approval' and part ->> 'type' in ('approval', 'tool_return'))));
        exit when refusal is null;
        perform remanence.refuse_run_v1(run.id, refusal);
    end loop;
    if is_new then
        update remanence.runs set status = 'running', started_at = clock_timestamp()
        where id = run.id returning * into run;
    end if;
    return remanence.claim_v1(
        conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer, is_new);
end
$$;

CREATE FUNCTION remanence.step_changes_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    run remanence.runs;
    owner_id text;
    step_ids text[];
begin
    perform remanence.enter_org(p ->> 'org_id');
    if p ->> 'run_id' is null then
        select agent_id, array[id] into owner_id, step_ids
        from remanence.steps where id = p ->> 'step_id';
    else
        select * into run from remanence.runs where id = p ->> 'run_id';
        if run.status in ('created', 'running') then
            return jsonb_build_object('outcome', 'conflict', 'message', format(
                'run %L is not over: cancel it or wait, then undo it', run.id));
        end if;
        owner_id := run.agent_id;
        step_ids := array(select id from remanence.steps where run_id = run.id);
    end if;
    if owner_id is null then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', case when p ->> 'run_id' is null then 'step'
                else 'run' end, 'id', coalesce(p ->> 'run_id', p ->> 'step_id'));
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'agent_id', owner_id,
        'blocks', remanence.changed_blocks_v1(owner_id, step_ids),
        'detached', (
            select coalesce(jsonb_agg(distinct past.block_id), '[]')
            from remanence.attachments_past as past
            where past.agent_id = owner_id and past.step_id = any (step_ids)
                and not exists (
                    select from remanence.agents_blocks as link
                    where link.agent_id = owner_id and link.block_id = past.block_id)),
        'passages', remanence.changed_passages_v1(step_ids));
end
$$;

CREATE FUNCTION remanence.step_commit_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.step_commit_v2(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    answer jsonb := remanence.step_commit_v1(p);
begin
    if p -> 'snapshots' <> '[]' and answer ->> 'outcome' = 'ok' then
        perform remanence.keep_snapshots_v1(p ->> 'conversation_id', p -> 'snapshots');
    end if;
    return answer;
end
$$;

CREATE FUNCTION remanence.step_end_v1(p_conversation_id text, p_step_id text) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
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

CREATE FUNCTION remanence.step_lock_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.step_state_v1(p_conversation_id text) RETURNS json
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION remanence.sweep_v1(p_limit integer, p_hanging_after_ms integer, p_share real) RETURNS TABLE(kind text, org_id text, conversation_id text, run_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
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

CREATE FUNCTION remanence.teller_v1(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select case when strpos(translate(left(p_text, 64), '：', ':'), ':') > 1
        then btrim(split_part(translate(left(p_text, 64), '：', ':'), ':', 1), E' \t\r\n') end
$$;

CREATE FUNCTION remanence.time_fact_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    new.valid_from := remanence.fact_instant_v1(new.metadata, 'valid_from');
    new.valid_to := remanence.fact_instant_v1(new.metadata, 'valid_to');
    return new;
end
$$;

CREATE FUNCTION remanence.to_halfvec(v real[]) RETURNS extensions.halfvec
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ select v::extensions.halfvec $$;

CREATE FUNCTION remanence.told_by_v1(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select case
        when named.speaker in ('user', 'human', '用户', '使用者', '我', 'ユーザー', 'ユーザ', '사용자',
            'пользователь', 'nutzer', 'benutzer', 'usuario', 'utilisateur', 'usuário', 'utente',
            'ผู้ใช้', 'المستخدم', 'مستخدم') then 'user'
        when named.speaker in ('assistant', 'ai', 'bot', 'chatbot', '助手', '助理', 'アシスタント',
            '어시스턴트', 'ассистент', 'помощник', 'assistent', 'asistente', 'assistente',
            'ผู้ช่วย', 'المساعد', 'مساعد') then 'assistant'
    end
    from (select lower(substring(p_text from '^\s*([^\s:：]{1,20})\s*[:：]'))) as named (speaker)
$$;

CREATE FUNCTION remanence.tool_approval_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    agent remanence.agents;
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    agent := remanence.touch_agent_v1(p ->> 'agent_id');
    update remanence.agents_tools as link
    set requires_approval = (p ->> 'requires_approval')::boolean
    from remanence.tools as tool
    where tool.id = link.tool_id and tool.name = p ->> 'tool_name' and link.agent_id = agent.id;
    if not found then
        perform remanence.refuse_v1(jsonb_build_object(
            'outcome', 'not_found', 'kind', 'tool', 'id', p ->> 'tool_name'));
    end if;
    update remanence.agents
    set tool_rules = coalesce((
            select jsonb_agg(rule order by place)
            from jsonb_array_elements(tool_rules) with ordinality as rules (rule, place)
            where not (rule ->> 'type' = 'requires_approval'
                and rule ->> 'tool_name' = p ->> 'tool_name')), '[]')
        || case when (p ->> 'requires_approval')::boolean
            then jsonb_build_array(p -> 'rule') else '[]' end
    where id = agent.id;
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(agent.id, '{blocks,tools}'));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE FUNCTION remanence.tool_delete_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    known remanence.tools;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.touch_agents_of_tool_v1(p ->> 'tool_id');
    select * into known from remanence.tools as tool where tool.id = p ->> 'tool_id' for update;
    if not found then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'tool', 'id', p ->> 'tool_id');
    elsif known.tool_type <> 'custom' then
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'the tool %L is built in: it cannot be deleted, but detached from an agent',
            known.name));
    end if;
    delete from remanence.tools as tool where tool.id = known.id;
    return '{"outcome": "ok"}';
end
$$;

CREATE FUNCTION remanence.tool_effects_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    agent remanence.agents;
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    agent := remanence.touch_agent_v1(p ->> 'agent_id');
    if not remanence.write_blocks_v1(agent.org_id, agent.id, null, p -> 'blocks') then
        perform remanence.refuse_v1('{"outcome": "stale"}');
    end if;
    if jsonb_array_length(p -> 'passages') > 0 then
        perform remanence.insert_passages_v1(
            agent.org_id, remanence.own_archive_v1(agent, p ->> 'new_archive_id'), null,
            p -> 'passages');
    end if;
    return '{"outcome": "ok"}';
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE FUNCTION remanence.tool_ids_v1(p_names jsonb, p_ids jsonb) RETURNS text[]
    LANGUAGE plpgsql
    AS $$
declare
    missing text;
    found_ids text[];
begin
    select wanted into missing
    from (
        select given.name as wanted from jsonb_array_elements_text(p_names) as given (name)
        where not exists (select from remanence.tools as tool where tool.name = given.name)
        union all
        select given.id from jsonb_array_elements_text(p_ids) as given (id)
        where not exists (select from remanence.tools as tool where tool.id = given.id)
    ) as unknown
    limit 1;
    if missing is not null then
        perform remanence.refuse_v1(
            jsonb_build_object('outcome', 'not_found', 'kind', 'tool', 'id', missing));
    end if;
    select array_agg(id order by place) into found_ids
    from (
        select id, min(place) as place
        from (
            select tool.id, wanted.place
            from jsonb_array_elements_text(p_names) with ordinality as wanted (name, place)
            join remanence.tools as tool on tool.name = wanted.name
            union all
            select wanted.id, wanted.place + jsonb_array_length(p_names)
            from jsonb_array_elements_text(p_ids) with ordinality as wanted (id, place)
        ) as wanted
        group by id
    ) as once;
    return coalesce(found_ids, '{}');
end
$$;

CREATE FUNCTION remanence.tool_link_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    agent remanence.agents;
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    agent := remanence.touch_agent_v1(p ->> 'agent_id');
    perform remanence.tool_ids_v1('[]', jsonb_build_array(p ->> 'tool_id'));
    if (p ->> 'attach')::boolean then
        insert into remanence.agents_tools (org_id, agent_id, tool_id, position)
        select agent.org_id, agent.id, p ->> 'tool_id', coalesce(max(position), 0) + 1
        from remanence.agents_tools where agent_id = agent.id
        on conflict (agent_id, tool_id) do nothing;
    else
        delete from remanence.agents_tools
        where agent_id = agent.id and tool_id = p ->> 'tool_id';
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(agent.id, '{blocks,tools}'));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

CREATE FUNCTION remanence.tool_update_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    wanted remanence.tools := jsonb_populate_record(null::remanence.tools, p -> 'tool');
    known remanence.tools;
    made remanence.tools;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.touch_agents_of_tool_v1(wanted.id);
    select * into known from remanence.tools as tool where tool.id = wanted.id for update;
    if not found then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'tool', 'id', wanted.id);
    elsif known.tool_type <> 'custom' then
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'the tool %L is built in: it cannot be changed', known.name));
    elsif known.updated_at <> (p ->> 'base_updated_at')::timestamptz then
        return '{"outcome": "stale"}';
    end if;
    update remanence.tools as tool
    set name = wanted.name, description = wanted.description, parameters = wanted.parameters,
        source_code = wanted.source_code, return_char_limit = wanted.return_char_limit,
        default_requires_approval = wanted.default_requires_approval, tags = wanted.tags,
        metadata = wanted.metadata, extras = wanted.extras, updated_at = clock_timestamp()
    where tool.id = wanted.id
    returning * into made;
    return jsonb_build_object('outcome', 'ok', 'tool', to_jsonb(made));
exception
    when unique_violation then
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'there is another tool %L', wanted.name));
end
$$;

CREATE FUNCTION remanence.tool_upsert_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    wanted remanence.tools := jsonb_populate_record(null::remanence.tools, p -> 'tool');
    known remanence.tools;
    made remanence.tools;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into known from remanence.tools as tool where tool.name = wanted.name;
    if known.tool_type <> 'custom' then
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'there is a built-in tool %L: give the function another name', wanted.name));
    end if;
    if known.id is not null then
        perform remanence.touch_agents_of_tool_v1(known.id);
    end if;
    insert into remanence.tools as tool (
        id, org_id, name, description, tool_type, parameters, source_code, return_char_limit,
        default_requires_approval, tags, metadata, extras)
    values (
        wanted.id, remanence.current_org(), wanted.name, wanted.description, 'custom',
        wanted.parameters, wanted.source_code, wanted.return_char_limit,
        wanted.default_requires_approval, wanted.tags, wanted.metadata, wanted.extras)
    on conflict (org_id, name) do update
    set description = excluded.description, parameters = excluded.parameters,
        source_code = excluded.source_code, extras = excluded.extras,
        return_char_limit = case when p -> 'given' ? 'return_char_limit'
            then excluded.return_char_limit else tool.return_char_limit end,
        default_requires_approval = case when p -> 'given' ? 'default_requires_approval'
            then excluded.default_requires_approval else tool.default_requires_approval end,
        tags = case when p -> 'given' ? 'tags' then excluded.tags else tool.tags end,
        updated_at = clock_timestamp()
    where tool.tool_type = 'custom'
    returning * into made;
    if made.id is null then  -- a built-in one came in between
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'there is a built-in tool %L: give the function another name', wanted.name));
    end if;
    return jsonb_build_object('outcome', 'ok', 'tool', to_jsonb(made));
end
$$;

CREATE FUNCTION remanence.touch_agent_v1(p_agent_id text) RETURNS remanence.agents
    LANGUAGE plpgsql
    AS $$
declare
    agent remanence.agents;
begin
    update remanence.agents
    set version = version + 1, updated_at = clock_timestamp()
    where id = p_agent_id
    returning * into agent;
    if not found then
        perform remanence.refuse_v1(
            jsonb_build_object('outcome', 'not_found', 'kind', 'agent', 'id', p_agent_id));
    end if;
    return agent;
end
$$;

CREATE FUNCTION remanence.touch_agents_of_tool_v1(p_tool_id text) RETURNS void
    LANGUAGE sql
    AS $$
    with attached as materialized (
        select agent.id
        from remanence.agents as agent
        where agent.id in (
            select link.agent_id from remanence.agents_tools as link
            where link.tool_id = p_tool_id)
        order by agent.id
        for no key update
    )
    update remanence.agents as agent
    set version = agent.version + 1, updated_at = clock_timestamp()
    from attached
    where agent.id = attached.id
$$;

CREATE FUNCTION remanence.unembedded_load_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    update remanence.conversations
    set vectors_claim = p ->> 'claim', vectors_claimed_until = clock_timestamp()
        + (p ->> 'hold_ms')::integer * interval '1 millisecond'
    where id = p ->> 'conversation_id' and (vectors_claim = p ->> 'claim'
        or vectors_claimed_until is null or vectors_claimed_until < clock_timestamp());
    if not found then
        return '{"outcome": "none"}';
    end if;
    return (
        select jsonb_build_object('outcome', 'ok', 'last_seq', conv.next_seq - 1, 'messages',
            coalesce((
                select jsonb_agg(to_jsonb(next) order by next.seq)
                from (
                    select msg.id, msg.seq, coalesce(msg.name, msg.role) || ': '
                        || left(remanence.said(msg.role, msg.parts), 8000) as text
                    from remanence.messages as msg
                    where msg.conversation_id = conv.id
                        and msg.seq > remanence.vectors_to_seq_v1(conv, p ->> 'model')
                        and msg.role in ('user', 'assistant')
                        and remanence.said(msg.role, msg.parts) is not null
                    order by msg.seq
                    limit (p ->> 'page_limit')::integer
                ) as next), '[]'))
        from remanence.conversations as conv where conv.id = p ->> 'conversation_id');
end
$$;

CREATE FUNCTION remanence.unembedded_v1(p_limit integer) RETURNS TABLE(org_id text, conversation_id text, model text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
    select conv.org_id, conv.id, agent.embedding
    from remanence.agents as agent
    join remanence.conversations as conv on conv.agent_id = agent.id
    where agent.embedding is not null
        and conv.next_seq > 1
        and (conv.vectors_model is distinct from agent.embedding
            or conv.vectors_to_seq <> conv.next_seq - 1)
    order by pg_catalog.row_number() over (
            partition by conv.org_id order by conv.last_message_at desc nulls last),
        conv.last_message_at desc nulls last
    limit p_limit
$$;

CREATE FUNCTION remanence.unembedded_v2(p_limit integer) RETURNS TABLE(org_id text, conversation_id text, model text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
    select conv.org_id, conv.id, wanted.model
    from (
        select agent.id, agent.embedding as model, 1 as turn from remanence.agents as agent
        union all
        select agent.id, agent.next_embedding, 2 from remanence.agents as agent
    ) as wanted
    join remanence.conversations as conv on conv.agent_id = wanted.id
    where wanted.model is not null
        and conv.next_seq > 1
        and remanence.vectors_to_seq_v1(conv, wanted.model) <> conv.next_seq - 1
        and (conv.vectors_claimed_until is null
            or conv.vectors_claimed_until < pg_catalog.clock_timestamp())
    order by pg_catalog.row_number() over (
            partition by conv.org_id
            order by conv.last_message_at desc nulls last, conv.id, wanted.turn),
        conv.last_message_at desc nulls last
    limit p_limit
$$;

CREATE FUNCTION remanence.vectors_find_v1(p jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
declare
    wanted bytea[] := array(
        select decode(hash, 'hex') from jsonb_array_elements_text(p -> 'hashes') as hash);
begin
    perform remanence.enter_org(p ->> 'org_id');
    -- who is refreshed by somebody else just now needs it not
    update remanence.remembered_vectors as kept
    set used_at = clock_timestamp()
    from (
        select old.hash, old.model from remanence.remembered_vectors as old
        where old.org_id = p ->> 'org_id' and old.hash = any(wanted) and old.model = p ->> 'model'
            and old.used_at < clock_timestamp() - interval '1 hour'
        for update skip locked
    ) as old
    where kept.org_id = p ->> 'org_id' and kept.hash = old.hash and kept.model = old.model;
    return (
        select coalesce(
            jsonb_object_agg(encode(kept.hash, 'hex'), kept.embedding::text::jsonb), '{}')
        from remanence.remembered_vectors as kept
        where kept.org_id = p ->> 'org_id' and kept.hash = any(wanted)
            and kept.model = p ->> 'model');
end
$$;

CREATE FUNCTION remanence.vectors_forget_v1(p_hours integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
    with gone as (
        delete from remanence.remembered_vectors
        where used_at < pg_catalog.clock_timestamp() - p_hours * interval '1 hour'
        returning 1
    )
    select pg_catalog.count(*) from gone
$$;

CREATE FUNCTION remanence.vectors_keep_v1(p jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    insert into remanence.remembered_vectors as kept (org_id, hash, model, embedding)
    select p ->> 'org_id', decode(given.key, 'hex'), p ->> 'model', remanence.to_halfvec(array(
        select value::real from jsonb_array_elements_text(given.value) as value))
    from jsonb_each(p -> 'vectors') as given
    order by given.key
    on conflict (org_id, hash, model) do update
    set embedding = excluded.embedding, used_at = clock_timestamp();
    delete from remanence.remembered_vectors as old
    using (
        select surplus.hash, surplus.model from remanence.remembered_vectors as surplus
        where surplus.org_id = p ->> 'org_id'
        order by surplus.used_at desc offset (p ->> 'most')::integer
    ) as surplus
    where old.org_id = p ->> 'org_id' and old.hash = surplus.hash and old.model = surplus.model;
end
$$;

CREATE FUNCTION remanence.vectors_to_seq_v1(p_conv remanence.conversations, p_model text) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
    select case
        when p_conv.vectors_model = p_model and p_conv.vectors_to_seq < p_conv.next_seq
            then p_conv.vectors_to_seq
        when p_conv.other_vectors_model = p_model and p_conv.other_vectors_to_seq < p_conv.next_seq
            then p_conv.other_vectors_to_seq
        else 0 end  -- another model, or emptied meanwhile: from the beginning
$$;

CREATE FUNCTION remanence.weigh_named_v1(p_weight double precision, p_is_named boolean, p_relevance double precision, p_best_relevance double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select p_weight + case when p_is_named
        then 0.2 * coalesce(p_relevance / nullif(p_best_relevance, 0), 0) else 0 end
$$;

CREATE FUNCTION remanence.worth_v1(p_weight real, p_texts double precision, p_found double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select p_weight * ln(1 + greatest(0, p_texts - p_found + 0.5) / (p_found + 0.5))
$$;

CREATE FUNCTION remanence.write_blocks_v1(p_org_id text, p_agent_id text, p_step_id text, p_blocks jsonb) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
    stale boolean;
begin
    perform from remanence.blocks
    where id = any(array(
        select edit ->> 'id' from jsonb_array_elements(p_blocks -> 'edited') as edit))
    order by id for update;
    select bool_or(block.id is null or block.version <> edit.base_version)
    into stale
    from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, base_version integer)
    left join (
        remanence.blocks as block
        join remanence.agents_blocks as link
            on link.block_id = block.id and link.agent_id = p_agent_id)
        on block.id = edit.id;
    if stale or exists (
        select from jsonb_to_recordset(p_blocks -> 'created') as made (label text)
        join remanence.agents_blocks as link
            on link.agent_id = p_agent_id and link.label = made.label
        where not p_blocks -> 'detached' ? link.block_id
            and not exists (  -- renamed away by the same step
                select from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, label text)
                where edit.id = link.block_id and edit.label <> link.label))
    then
        return false;
    end if;

    -- a shared block is renamed for all agents that have it: each must have the label free
    if exists (
        select from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, label text)
        join remanence.agents_blocks as renamed
            on renamed.block_id = edit.id and renamed.label <> edit.label
            and renamed.agent_id <> p_agent_id
        join remanence.agents_blocks as taken
            on taken.agent_id = renamed.agent_id and taken.label = edit.label)
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
        set value = edit.value, label = edit.label, description = edit.description,
            version = block.version + 1, updated_at = clock_timestamp()
        from jsonb_to_recordset(p_blocks -> 'edited')
            as edit (id text, label text, value text, description text)
        where block.id = edit.id;
        update remanence.agents_blocks as link
        set label = edit.label
        from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, label text)
        where link.block_id = edit.id and link.label <> edit.label;
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

CREATE FUNCTION remanence.write_facts_v1(p_agent remanence.agents, p_archive_id text, p jsonb) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
declare
    changed_ids text[] := array(
        select item ->> 'id' from jsonb_array_elements(p -> 'changed') as item);
    facts jsonb := p -> 'created' || (p -> 'changed');
begin
    perform from remanence.passages where id = any (changed_ids) for update;
    if (select count(*) from remanence.facts where passage_id = any (changed_ids))
        <> cardinality(changed_ids)
    then
        return false;
    end if;
    perform remanence.insert_passages_v1(p_agent.org_id, p_archive_id, null, p -> 'created');
    insert into remanence.facts as fact (
        passage_id, org_id, agent_id, archive_id, kind, key, gist, entities, trust, said_at)
    select item ->> 'id', p_agent.org_id, p_agent.id, p_archive_id, item ->> 'kind',
        item ->> 'key', item ->> 'gist',
        array(select jsonb_array_elements_text(item -> 'entities')), item ->> 'trust',
        (item ->> 'said_at')::timestamptz
    from jsonb_array_elements(facts) as item
    on conflict (passage_id) do update
    set key = excluded.key, entities = excluded.entities, trust = excluded.trust;
    -- a message that was deleted meanwhile is no source any more
    insert into remanence.fact_sources (org_id, passage_id, message_id)
    select p_agent.org_id, item ->> 'id', msg.id
    from jsonb_array_elements(facts) as item
    cross join jsonb_array_elements_text(item -> 'source_ids')
        with ordinality as sources (message_id, place)
    join remanence.messages as msg on msg.id = sources.message_id
    order by sources.place
    on conflict (passage_id, message_id) do nothing;
    update remanence.passages as passage
    set metadata = passage.metadata || changed.metadata
    from jsonb_to_recordset(p -> 'changed') as changed (id text, metadata jsonb)
    where passage.id = changed.id;
    update remanence.passages as passage
    set metadata = jsonb_set(passage.metadata, '{fact,source_message_ids}',
        remanence.fact_source_ids_v1(passage.id))
    from jsonb_to_recordset(facts) as fact (id text)
    where passage.id = fact.id
        and passage.metadata #> '{fact,source_message_ids}'
            <> remanence.fact_source_ids_v1(passage.id);
    return true;
end
$$;

CREATE FUNCTION remanence.write_history_v1(p_item jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    conv remanence.conversations;
begin
    select * into strict conv from remanence.conversations
    where agent_id = p_item -> 'agent' ->> 'id' and is_default for update;
    if conv.next_seq > 1 then
        return;
    end if;
    insert into remanence.messages (
        conversation_id, seq, id, org_id, agent_id, role, parts, name, otid, sender_id, tokens,
        created_at)
    select conv.id, place, item ->> 'id', conv.org_id, conv.agent_id, item ->> 'role',
        item -> 'parts', item ->> 'name', item ->> 'otid', item ->> 'sender_id',
        (item ->> 'tokens')::integer, (item ->> 'created_at')::timestamptz
    from jsonb_array_elements(p_item -> 'history') with ordinality as items (item, place);
    insert into remanence.summaries (
        id, org_id, agent_id, conversation_id, level, from_seq, to_seq, text, tokens, model)
    select item ->> 'id', conv.org_id, conv.agent_id, conv.id, 0, (item ->> 'from_seq')::bigint,
        (item ->> 'to_seq')::bigint, item ->> 'text', (item ->> 'tokens')::integer, item ->> 'model'
    from jsonb_array_elements(p_item -> 'summaries') as item;
    update remanence.conversations
    set next_seq = jsonb_array_length(p_item -> 'history') + 1,
        window_from_seq = (p_item ->> 'window_from_seq')::bigint,
        window_tokens = coalesce((
            select sum(message.tokens) from remanence.messages as message
            where message.conversation_id = conv.id
                and message.seq >= (p_item ->> 'window_from_seq')::bigint), 0),
        last_message_at = (
            select max(message.created_at) from remanence.messages as message
            where message.conversation_id = conv.id)
    where id = conv.id;
end
$$;

CREATE TABLE remanence.agent_secrets (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT agent_secrets_sealed_check CHECK ((value ~~ 'gcm1:%'::text))
);

CREATE TABLE remanence.agents_blocks (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    block_id text NOT NULL,
    label text NOT NULL,
    "position" integer NOT NULL,
    attached_at timestamp with time zone
);

CREATE TABLE remanence.agents_identities (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    identity_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE remanence.agents_tools (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    tool_id text NOT NULL,
    "position" integer NOT NULL,
    requires_approval boolean
);

CREATE TABLE remanence.archives_agents (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    archive_id text NOT NULL,
    is_owner boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON COLUMN remanence.archives_agents.created_at IS 'from when it is attached';

CREATE TABLE remanence.attachments_past (
    id bigint NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    block_id text,
    archive_id text,
    "position" integer,
    from_at timestamp with time zone,
    until_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    step_id text,
    CONSTRAINT attachments_past_kind_check CHECK ((num_nonnulls(block_id, archive_id) = 1))
);

COMMENT ON COLUMN remanence.attachments_past.step_id IS 'the step that detached it; null: another way, or before this was kept';

ALTER TABLE remanence.attachments_past ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME remanence.attachments_past_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE remanence.block_versions (
    org_id text NOT NULL,
    block_id text NOT NULL,
    version integer NOT NULL,
    value text NOT NULL,
    step_id text,
    tool_call_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    label text,
    description text,
    "limit" integer,
    read_only boolean,
    author jsonb
);

COMMENT ON COLUMN remanence.block_versions.created_at IS 'from when this version holds';

CREATE TABLE remanence.blocks_identities (
    org_id text NOT NULL,
    block_id text NOT NULL,
    identity_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE remanence.fact_progress (
    conversation_id text NOT NULL,
    org_id text NOT NULL,
    through_seq bigint NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    claimed_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE remanence.fact_sources (
    org_id text NOT NULL,
    passage_id text NOT NULL,
    message_id text NOT NULL,
    place bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE remanence.fact_sources ALTER COLUMN place ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME remanence.fact_sources_place_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE remanence.facts (
    passage_id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    archive_id text NOT NULL,
    kind text NOT NULL,
    key text,
    gist text NOT NULL,
    entities text[] NOT NULL,
    trust text NOT NULL,
    said_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT facts_trust_check CHECK ((trust = ANY (ARRAY['high'::text, 'medium'::text, 'low'::text])))
);

CREATE TABLE remanence.message_vectors (
    message_id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    model text NOT NULL,
    dimensions integer NOT NULL,
    embedding extensions.halfvec NOT NULL
);
ALTER TABLE ONLY remanence.message_vectors ALTER COLUMN embedding SET STORAGE PLAIN;

COMMENT ON TABLE remanence.message_vectors IS 'Vectors of messages of users and assistants.';

COMMENT ON COLUMN remanence.message_vectors.message_id IS 'Of the message; goes with it.';

COMMENT ON COLUMN remanence.message_vectors.org_id IS 'Whose it is.';

COMMENT ON COLUMN remanence.message_vectors.agent_id IS 'Whose conversations are searched.';

COMMENT ON COLUMN remanence.message_vectors.model IS 'Handle that made it; only equal ones compare.';

COMMENT ON COLUMN remanence.message_vectors.dimensions IS 'Length of the vector.';

COMMENT ON COLUMN remanence.message_vectors.embedding IS 'The vector, in half precision.';

CREATE TABLE remanence.organizations (
    id text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    caps jsonb
);

CREATE TABLE remanence.passage_vectors (
    passage_id text NOT NULL,
    org_id text NOT NULL,
    archive_id text NOT NULL,
    model text NOT NULL,
    dimensions integer NOT NULL,
    embedding extensions.halfvec NOT NULL
);
ALTER TABLE ONLY remanence.passage_vectors ALTER COLUMN embedding SET STORAGE PLAIN;

CREATE TABLE remanence.passage_versions (
    org_id text NOT NULL,
    archive_id text NOT NULL,
    passage_id text NOT NULL,
    version integer NOT NULL,
    passage jsonb,
    step_id text,
    tool_call_id text,
    author jsonb,
    from_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT passage_versions_until_check CHECK (((until_at IS NULL) = (passage IS NULL)))
);

CREATE TABLE remanence.providers (
    id text NOT NULL,
    org_id text NOT NULL,
    name text NOT NULL,
    provider_type text NOT NULL,
    api_key text NOT NULL,
    api_key_hint text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT providers_hint_check CHECK ((length(api_key_hint) <= 4)),
    CONSTRAINT providers_sealed_check CHECK ((api_key ~~ 'gcm1:%'::text))
);

CREATE TABLE remanence.remembered_vectors (
    org_id text NOT NULL,
    hash bytea NOT NULL,
    model text NOT NULL,
    used_at timestamp with time zone DEFAULT now() NOT NULL,
    embedding extensions.halfvec NOT NULL
);
ALTER TABLE ONLY remanence.remembered_vectors ALTER COLUMN embedding SET STORAGE PLAIN;

COMMENT ON TABLE remanence.remembered_vectors IS 'Vectors of texts that were embedded lately.';

COMMENT ON COLUMN remanence.remembered_vectors.org_id IS 'Whose text it was.';

COMMENT ON COLUMN remanence.remembered_vectors.hash IS 'SHA-256 of the text in UTF-8.';

COMMENT ON COLUMN remanence.remembered_vectors.model IS 'Handle that made it.';

COMMENT ON COLUMN remanence.remembered_vectors.used_at IS 'When it was last needed, to the hour.';

COMMENT ON COLUMN remanence.remembered_vectors.embedding IS 'The vector, in half precision.';

CREATE TABLE remanence.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE remanence.snapshots (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    hash text NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT snapshots_kind_check CHECK ((kind = ANY (ARRAY['system'::text, 'tools'::text])))
);

CREATE TABLE remanence.snapshots_blocks (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    hash text NOT NULL,
    block_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE remanence.spend_reservations (
    step_id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    run_id text NOT NULL,
    tokens bigint NOT NULL,
    usd_micros bigint NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE remanence.steps (
    id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    conversation_id text NOT NULL,
    run_id text NOT NULL,
    step_no integer NOT NULL,
    lease_token text NOT NULL,
    status text NOT NULL,
    stop_reason text,
    model text NOT NULL,
    context_window_limit integer NOT NULL,
    prompt_tokens integer DEFAULT 0 NOT NULL,
    completion_tokens integer DEFAULT 0 NOT NULL,
    cached_input_tokens integer DEFAULT 0 NOT NULL,
    cache_write_tokens integer DEFAULT 0 NOT NULL,
    reasoning_tokens integer DEFAULT 0 NOT NULL,
    called_tools text[] DEFAULT '{}'::text[] NOT NULL,
    error jsonb,
    receipt jsonb DEFAULT '{}'::jsonb NOT NULL,
    feedback text,
    llm_ns bigint,
    step_ns bigint,
    started_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT steps_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'cancelled'::text])))
);

CREATE TABLE remanence.summaries (
    id text NOT NULL,
    org_id text NOT NULL,
    agent_id text NOT NULL,
    conversation_id text NOT NULL,
    level integer NOT NULL,
    from_seq bigint NOT NULL,
    to_seq bigint NOT NULL,
    text text NOT NULL,
    tokens integer NOT NULL,
    model text NOT NULL,
    parent_id text,
    step_id text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    is_stand_in boolean DEFAULT false NOT NULL,
    prompt_version text,
    author text,
    CONSTRAINT summaries_span_check CHECK ((from_seq <= to_seq))
);

CREATE TABLE remanence.tools (
    id text NOT NULL,
    org_id text NOT NULL,
    name text NOT NULL,
    description text DEFAULT ''::text NOT NULL,
    tool_type text NOT NULL,
    parameters jsonb NOT NULL,
    source_code text,
    return_char_limit integer DEFAULT 50000 NOT NULL,
    default_requires_approval boolean DEFAULT false NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    extras jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE remanence.usage_daily (
    org_id text NOT NULL,
    agent_id text NOT NULL,
    day date NOT NULL,
    model text NOT NULL,
    calls bigint DEFAULT 0 NOT NULL,
    prompt_tokens bigint DEFAULT 0 NOT NULL,
    completion_tokens bigint DEFAULT 0 NOT NULL,
    cached_input_tokens bigint DEFAULT 0 NOT NULL,
    cache_write_tokens bigint DEFAULT 0 NOT NULL,
    reasoning_tokens bigint DEFAULT 0 NOT NULL,
    usd_micros bigint DEFAULT 0 NOT NULL,
    unpriced_tokens bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='80');

ALTER TABLE ONLY remanence.agent_secrets
    ADD CONSTRAINT agent_secrets_pkey PRIMARY KEY (agent_id, name);

ALTER TABLE ONLY remanence.agents_blocks
    ADD CONSTRAINT agents_blocks_label_unique UNIQUE (agent_id, label) DEFERRABLE;

ALTER TABLE ONLY remanence.agents_blocks
    ADD CONSTRAINT agents_blocks_pkey PRIMARY KEY (agent_id, block_id);

ALTER TABLE ONLY remanence.agents_identities
    ADD CONSTRAINT agents_identities_pkey PRIMARY KEY (agent_id, identity_id);

ALTER TABLE ONLY remanence.agents
    ADD CONSTRAINT agents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.agents_tools
    ADD CONSTRAINT agents_tools_pkey PRIMARY KEY (agent_id, tool_id);

ALTER TABLE ONLY remanence.archive_gaps
    ADD CONSTRAINT archive_gaps_pkey PRIMARY KEY (archive_id);

ALTER TABLE ONLY remanence.archives_agents
    ADD CONSTRAINT archives_agents_pkey PRIMARY KEY (agent_id, archive_id);

ALTER TABLE ONLY remanence.archives
    ADD CONSTRAINT archives_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.attachments_past
    ADD CONSTRAINT attachments_past_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.block_versions
    ADD CONSTRAINT block_versions_pkey PRIMARY KEY (block_id, version);

ALTER TABLE ONLY remanence.blocks_identities
    ADD CONSTRAINT blocks_identities_pkey PRIMARY KEY (block_id, identity_id);

ALTER TABLE ONLY remanence.blocks
    ADD CONSTRAINT blocks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.fact_progress
    ADD CONSTRAINT fact_progress_pkey PRIMARY KEY (conversation_id);

ALTER TABLE ONLY remanence.fact_sources
    ADD CONSTRAINT fact_sources_pkey PRIMARY KEY (passage_id, message_id);

ALTER TABLE ONLY remanence.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (passage_id);

ALTER TABLE ONLY remanence.identities
    ADD CONSTRAINT identities_key_unique UNIQUE NULLS NOT DISTINCT (org_id, identifier_key, project_id);

ALTER TABLE ONLY remanence.identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.message_vectors
    ADD CONSTRAINT message_vectors_pkey PRIMARY KEY (message_id, model);

ALTER TABLE ONLY remanence.messages
    ADD CONSTRAINT messages_id_unique UNIQUE (id);

ALTER TABLE ONLY remanence.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (conversation_id, seq);

ALTER TABLE ONLY remanence.organizations
    ADD CONSTRAINT organizations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.passage_vectors
    ADD CONSTRAINT passage_vectors_pkey PRIMARY KEY (passage_id, model);

ALTER TABLE ONLY remanence.passage_versions
    ADD CONSTRAINT passage_versions_pkey PRIMARY KEY (passage_id, version);

ALTER TABLE ONLY remanence.passages
    ADD CONSTRAINT passages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.providers
    ADD CONSTRAINT providers_name_unique UNIQUE (org_id, name);

ALTER TABLE ONLY remanence.providers
    ADD CONSTRAINT providers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.remembered_vectors
    ADD CONSTRAINT remembered_vectors_pkey PRIMARY KEY (org_id, hash, model);

ALTER TABLE ONLY remanence.runs
    ADD CONSTRAINT runs_ord_unique UNIQUE (conversation_id, ord);

ALTER TABLE ONLY remanence.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY remanence.snapshots_blocks
    ADD CONSTRAINT snapshots_blocks_pkey PRIMARY KEY (agent_id, hash, block_id);

ALTER TABLE ONLY remanence.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (agent_id, hash);

ALTER TABLE ONLY remanence.spend_reservations
    ADD CONSTRAINT spend_reservations_pkey PRIMARY KEY (step_id);

ALTER TABLE ONLY remanence.steps
    ADD CONSTRAINT steps_no_unique UNIQUE (run_id, step_no);

ALTER TABLE ONLY remanence.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.summaries
    ADD CONSTRAINT summaries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.tools
    ADD CONSTRAINT tools_name_unique UNIQUE (org_id, name);

ALTER TABLE ONLY remanence.tools
    ADD CONSTRAINT tools_pkey PRIMARY KEY (id);

ALTER TABLE ONLY remanence.usage_daily
    ADD CONSTRAINT usage_daily_pkey PRIMARY KEY (agent_id, day, model);

CREATE INDEX agents_archive_blocks_idx ON remanence.agents USING btree (id) WHERE ((compaction_settings -> 'archive_blocks'::text) <> '[]'::jsonb);

CREATE INDEX agents_archive_facts_idx ON remanence.agents USING btree (id) WHERE (compaction_settings @> '{"archive_facts": true}'::jsonb);

CREATE INDEX agents_blocks_block_idx ON remanence.agents_blocks USING btree (block_id);

CREATE INDEX agents_identities_identity_idx ON remanence.agents_identities USING btree (identity_id, created_at);

CREATE INDEX agents_org_created_idx ON remanence.agents USING btree (org_id, created_at, id);

CREATE INDEX agents_org_name_idx ON remanence.agents USING btree (org_id, name);

CREATE INDEX agents_tags_idx ON remanence.agents USING gin (tags);

CREATE INDEX agents_tools_tool_idx ON remanence.agents_tools USING btree (tool_id);

CREATE INDEX archives_agents_archive_idx ON remanence.archives_agents USING btree (archive_id);

CREATE INDEX archives_org_created_idx ON remanence.archives USING btree (org_id, created_at, id);

CREATE INDEX attachments_past_agent_idx ON remanence.attachments_past USING btree (agent_id, until_at);

CREATE INDEX attachments_past_archive_idx ON remanence.attachments_past USING btree (archive_id);

CREATE INDEX attachments_past_block_idx ON remanence.attachments_past USING btree (block_id);

CREATE INDEX blocks_identities_identity_idx ON remanence.blocks_identities USING btree (identity_id, created_at);

CREATE INDEX blocks_org_created_idx ON remanence.blocks USING btree (org_id, created_at, id);

CREATE INDEX blocks_org_label_idx ON remanence.blocks USING btree (org_id, label);

CREATE INDEX conversations_agent_created_idx ON remanence.conversations USING btree (agent_id, created_at, id);

CREATE UNIQUE INDEX conversations_default_idx ON remanence.conversations USING btree (agent_id) WHERE is_default;

CREATE INDEX conversations_window_tokens_idx ON remanence.conversations USING btree (window_tokens);

CREATE INDEX fact_sources_message_idx ON remanence.fact_sources USING btree (message_id);

CREATE INDEX facts_gist_idx ON remanence.facts USING btree (archive_id, gist);

CREATE INDEX facts_key_idx ON remanence.facts USING btree (archive_id, key) WHERE (key IS NOT NULL);

CREATE INDEX identities_org_created_idx ON remanence.identities USING btree (org_id, created_at, id);

CREATE INDEX message_vectors_agent_idx ON remanence.message_vectors USING btree (agent_id, model);

CREATE INDEX messages_agent_created_idx ON remanence.messages USING btree (agent_id, created_at, id);

CREATE INDEX messages_run_idx ON remanence.messages USING btree (run_id, seq);

CREATE INDEX passage_vectors_archive_idx ON remanence.passage_vectors USING btree (archive_id, model);

CREATE INDEX passage_versions_archive_idx ON remanence.passage_versions USING btree (archive_id, from_at, passage_id);

CREATE INDEX passage_versions_step_idx ON remanence.passage_versions USING btree (step_id) WHERE (step_id IS NOT NULL);

CREATE INDEX passages_archive_created_idx ON remanence.passages USING btree (archive_id, created_at, id);

CREATE INDEX passages_step_idx ON remanence.passages USING btree (step_id) WHERE (step_id IS NOT NULL);

CREATE INDEX providers_org_created_idx ON remanence.providers USING btree (org_id, created_at, id);

CREATE INDEX remembered_vectors_age_idx ON remanence.remembered_vectors USING btree (used_at);

CREATE INDEX remembered_vectors_used_idx ON remanence.remembered_vectors USING btree (org_id, used_at);

CREATE INDEX runs_agent_created_idx ON remanence.runs USING btree (agent_id, created_at, id);

CREATE INDEX runs_callback_idx ON remanence.runs USING btree (callback_due_at) WHERE (callback_due_at IS NOT NULL);

CREATE UNIQUE INDEX runs_idempotency_idx ON remanence.runs USING btree (conversation_id, idempotency_key) WHERE (idempotency_key IS NOT NULL);

CREATE INDEX runs_org_created_idx ON remanence.runs USING btree (org_id, created_at, id);

CREATE INDEX runs_unfinished_idx ON remanence.runs USING btree (conversation_id, ord) WHERE (status = ANY (ARRAY['created'::text, 'running'::text]));

CREATE INDEX snapshots_blocks_block_idx ON remanence.snapshots_blocks USING btree (block_id);

CREATE INDEX spend_reservations_org_agent_idx ON remanence.spend_reservations USING btree (org_id, agent_id);

CREATE INDEX steps_agent_created_idx ON remanence.steps USING btree (agent_id, created_at, id);

CREATE INDEX steps_org_created_idx ON remanence.steps USING btree (org_id, created_at, id);

CREATE INDEX summaries_parent_idx ON remanence.summaries USING btree (parent_id);

CREATE INDEX summaries_roots_idx ON remanence.summaries USING btree (conversation_id, from_seq) WHERE (parent_id IS NULL);

CREATE INDEX summaries_step_idx ON remanence.summaries USING btree (step_id) WHERE (step_id IS NOT NULL);

CREATE INDEX usage_daily_org_day_idx ON remanence.usage_daily USING btree (org_id, day);

CREATE TRIGGER agents_blocks_date BEFORE INSERT ON remanence.agents_blocks FOR EACH ROW EXECUTE FUNCTION remanence.date_attachment_v1();

CREATE TRIGGER agents_blocks_keep BEFORE DELETE ON remanence.agents_blocks FOR EACH ROW EXECUTE FUNCTION remanence.keep_attached_block_v1();

CREATE TRIGGER agents_blocks_keep_moved BEFORE UPDATE OF "position" ON remanence.agents_blocks FOR EACH ROW WHEN ((old."position" <> new."position")) EXECUTE FUNCTION remanence.keep_attached_block_v1();

CREATE TRIGGER archives_agents_date BEFORE INSERT ON remanence.archives_agents FOR EACH ROW EXECUTE FUNCTION remanence.date_attachment_v1();

CREATE TRIGGER archives_agents_keep BEFORE DELETE ON remanence.archives_agents FOR EACH ROW EXECUTE FUNCTION remanence.keep_attached_archive_v1();

CREATE TRIGGER block_versions_sign BEFORE INSERT ON remanence.block_versions FOR EACH ROW EXECUTE FUNCTION remanence.sign_block_version_v1();

CREATE TRIGGER fact_sources_forget AFTER DELETE ON remanence.fact_sources FOR EACH ROW EXECUTE FUNCTION remanence.forget_source_v1();

CREATE TRIGGER passage_versions_forget AFTER DELETE ON remanence.passage_versions REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION remanence.forget_passage_versions_v1();

CREATE TRIGGER passages_forget AFTER DELETE ON remanence.passages REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION remanence.forget_passages_v1();

CREATE TRIGGER passages_keep BEFORE DELETE OR UPDATE ON remanence.passages FOR EACH ROW EXECUTE FUNCTION remanence.keep_passage_v1();

CREATE TRIGGER passages_number BEFORE INSERT ON remanence.passages FOR EACH ROW EXECUTE FUNCTION remanence.number_passage_v1();

CREATE TRIGGER passages_time BEFORE INSERT OR UPDATE ON remanence.passages FOR EACH ROW WHEN (((new.metadata ? 'fact'::text) OR (new.valid_from IS NOT NULL) OR (new.valid_to IS NOT NULL))) EXECUTE FUNCTION remanence.time_fact_v1();

CREATE TRIGGER steps_ledger_trigger AFTER INSERT ON remanence.steps FOR EACH ROW EXECUTE FUNCTION remanence.enter_step_v1();

CREATE TRIGGER steps_share_moment BEFORE INSERT ON remanence.steps FOR EACH ROW EXECUTE FUNCTION remanence.share_moment_v1();

ALTER TABLE ONLY remanence.agent_secrets
    ADD CONSTRAINT agent_secrets_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.agents_blocks
    ADD CONSTRAINT agents_blocks_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.agents_blocks
    ADD CONSTRAINT agents_blocks_block_id_fkey FOREIGN KEY (block_id) REFERENCES remanence.blocks(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.agents_identities
    ADD CONSTRAINT agents_identities_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.agents_identities
    ADD CONSTRAINT agents_identities_identity_id_fkey FOREIGN KEY (identity_id) REFERENCES remanence.identities(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.agents
    ADD CONSTRAINT agents_org_id_fkey FOREIGN KEY (org_id) REFERENCES remanence.organizations(id);

ALTER TABLE ONLY remanence.agents_tools
    ADD CONSTRAINT agents_tools_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.agents_tools
    ADD CONSTRAINT agents_tools_tool_id_fkey FOREIGN KEY (tool_id) REFERENCES remanence.tools(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.archive_gaps
    ADD CONSTRAINT archive_gaps_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES remanence.archives(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.archives_agents
    ADD CONSTRAINT archives_agents_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.archives_agents
    ADD CONSTRAINT archives_agents_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES remanence.archives(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.archives
    ADD CONSTRAINT archives_org_id_fkey FOREIGN KEY (org_id) REFERENCES remanence.organizations(id);

ALTER TABLE ONLY remanence.attachments_past
    ADD CONSTRAINT attachments_past_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.attachments_past
    ADD CONSTRAINT attachments_past_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES remanence.archives(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.attachments_past
    ADD CONSTRAINT attachments_past_block_id_fkey FOREIGN KEY (block_id) REFERENCES remanence.blocks(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.block_versions
    ADD CONSTRAINT block_versions_block_id_fkey FOREIGN KEY (block_id) REFERENCES remanence.blocks(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.blocks_identities
    ADD CONSTRAINT blocks_identities_block_id_fkey FOREIGN KEY (block_id) REFERENCES remanence.blocks(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.blocks_identities
    ADD CONSTRAINT blocks_identities_identity_id_fkey FOREIGN KEY (identity_id) REFERENCES remanence.identities(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.blocks
    ADD CONSTRAINT blocks_org_id_fkey FOREIGN KEY (org_id) REFERENCES remanence.organizations(id);

ALTER TABLE ONLY remanence.conversations
    ADD CONSTRAINT conversations_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.fact_progress
    ADD CONSTRAINT fact_progress_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES remanence.conversations(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.fact_sources
    ADD CONSTRAINT fact_sources_message_id_fkey FOREIGN KEY (message_id) REFERENCES remanence.messages(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.fact_sources
    ADD CONSTRAINT fact_sources_passage_id_fkey FOREIGN KEY (passage_id) REFERENCES remanence.facts(passage_id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.facts
    ADD CONSTRAINT facts_passage_id_fkey FOREIGN KEY (passage_id) REFERENCES remanence.passages(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.identities
    ADD CONSTRAINT identities_org_id_fkey FOREIGN KEY (org_id) REFERENCES remanence.organizations(id);

ALTER TABLE ONLY remanence.message_vectors
    ADD CONSTRAINT message_vectors_message_id_fkey FOREIGN KEY (message_id) REFERENCES remanence.messages(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.messages
    ADD CONSTRAINT messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES remanence.conversations(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.passage_vectors
    ADD CONSTRAINT passage_vectors_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES remanence.archives(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.passage_vectors
    ADD CONSTRAINT passage_vectors_passage_id_fkey FOREIGN KEY (passage_id) REFERENCES remanence.passages(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.passage_versions
    ADD CONSTRAINT passage_versions_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES remanence.archives(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.passages
    ADD CONSTRAINT passages_archive_id_fkey FOREIGN KEY (archive_id) REFERENCES remanence.archives(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.providers
    ADD CONSTRAINT providers_org_id_fkey FOREIGN KEY (org_id) REFERENCES remanence.organizations(id);

ALTER TABLE ONLY remanence.runs
    ADD CONSTRAINT runs_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES remanence.conversations(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.snapshots
    ADD CONSTRAINT snapshots_agent_id_fkey FOREIGN KEY (agent_id) REFERENCES remanence.agents(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.snapshots_blocks
    ADD CONSTRAINT snapshots_blocks_snapshot_fkey FOREIGN KEY (agent_id, hash) REFERENCES remanence.snapshots(agent_id, hash) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.steps
    ADD CONSTRAINT steps_run_id_fkey FOREIGN KEY (run_id) REFERENCES remanence.runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.summaries
    ADD CONSTRAINT summaries_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES remanence.conversations(id) ON DELETE CASCADE;

ALTER TABLE ONLY remanence.summaries
    ADD CONSTRAINT summaries_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES remanence.summaries(id);

ALTER TABLE ONLY remanence.tools
    ADD CONSTRAINT tools_org_id_fkey FOREIGN KEY (org_id) REFERENCES remanence.organizations(id);

ALTER TABLE remanence.agent_secrets ENABLE ROW LEVEL SECURITY;

CREATE POLICY agent_secrets_of_org ON remanence.agent_secrets TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.agents ENABLE ROW LEVEL SECURITY;

ALTER TABLE remanence.agents_blocks ENABLE ROW LEVEL SECURITY;

CREATE POLICY agents_blocks_of_org ON remanence.agents_blocks TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.agents_identities ENABLE ROW LEVEL SECURITY;

CREATE POLICY agents_identities_of_org ON remanence.agents_identities TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

CREATE POLICY agents_of_org ON remanence.agents TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.agents_tools ENABLE ROW LEVEL SECURITY;

CREATE POLICY agents_tools_of_org ON remanence.agents_tools TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.archive_gaps ENABLE ROW LEVEL SECURITY;

CREATE POLICY archive_gaps_of_org ON remanence.archive_gaps TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.archives ENABLE ROW LEVEL SECURITY;

ALTER TABLE remanence.archives_agents ENABLE ROW LEVEL SECURITY;

CREATE POLICY archives_agents_of_org ON remanence.archives_agents TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

CREATE POLICY archives_of_org ON remanence.archives TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.attachments_past ENABLE ROW LEVEL SECURITY;

CREATE POLICY attachments_past_of_org ON remanence.attachments_past TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.block_versions ENABLE ROW LEVEL SECURITY;

CREATE POLICY block_versions_of_org ON remanence.block_versions TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.blocks ENABLE ROW LEVEL SECURITY;

ALTER TABLE remanence.blocks_identities ENABLE ROW LEVEL SECURITY;

CREATE POLICY blocks_identities_of_org ON remanence.blocks_identities TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

CREATE POLICY blocks_of_org ON remanence.blocks TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.conversations ENABLE ROW LEVEL SECURITY;

CREATE POLICY conversations_of_org ON remanence.conversations TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.fact_progress ENABLE ROW LEVEL SECURITY;

CREATE POLICY fact_progress_of_org ON remanence.fact_progress TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.fact_sources ENABLE ROW LEVEL SECURITY;

CREATE POLICY fact_sources_of_org ON remanence.fact_sources TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.facts ENABLE ROW LEVEL SECURITY;

CREATE POLICY facts_of_org ON remanence.facts TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.identities ENABLE ROW LEVEL SECURITY;

CREATE POLICY identities_of_org ON remanence.identities TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.message_vectors ENABLE ROW LEVEL SECURITY;

CREATE POLICY message_vectors_of_org ON remanence.message_vectors TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.messages ENABLE ROW LEVEL SECURITY;

CREATE POLICY messages_of_org ON remanence.messages TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.organizations ENABLE ROW LEVEL SECURITY;

CREATE POLICY organizations_of_org ON remanence.organizations TO remanence_app USING ((id = remanence.current_org())) WITH CHECK ((id = remanence.current_org()));

ALTER TABLE remanence.passage_vectors ENABLE ROW LEVEL SECURITY;

CREATE POLICY passage_vectors_of_org ON remanence.passage_vectors TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.passage_versions ENABLE ROW LEVEL SECURITY;

CREATE POLICY passage_versions_of_org ON remanence.passage_versions TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.passages ENABLE ROW LEVEL SECURITY;

CREATE POLICY passages_of_org ON remanence.passages TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.providers ENABLE ROW LEVEL SECURITY;

CREATE POLICY providers_of_org ON remanence.providers TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.remembered_vectors ENABLE ROW LEVEL SECURITY;

CREATE POLICY remembered_vectors_of_org ON remanence.remembered_vectors TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.runs ENABLE ROW LEVEL SECURITY;

CREATE POLICY runs_of_org ON remanence.runs TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.schema_migrations ENABLE ROW LEVEL SECURITY;

CREATE POLICY schema_migrations_of_all ON remanence.schema_migrations FOR SELECT TO remanence_app USING (true);

ALTER TABLE remanence.snapshots ENABLE ROW LEVEL SECURITY;

ALTER TABLE remanence.snapshots_blocks ENABLE ROW LEVEL SECURITY;

CREATE POLICY snapshots_blocks_of_org ON remanence.snapshots_blocks TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

CREATE POLICY snapshots_of_org ON remanence.snapshots TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.spend_reservations ENABLE ROW LEVEL SECURITY;

CREATE POLICY spend_reservations_of_org ON remanence.spend_reservations TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.steps ENABLE ROW LEVEL SECURITY;

CREATE POLICY steps_of_org ON remanence.steps TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.summaries ENABLE ROW LEVEL SECURITY;

CREATE POLICY summaries_of_org ON remanence.summaries TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.tools ENABLE ROW LEVEL SECURITY;

CREATE POLICY tools_of_org ON remanence.tools TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

ALTER TABLE remanence.usage_daily ENABLE ROW LEVEL SECURITY;

CREATE POLICY usage_daily_of_org ON remanence.usage_daily TO remanence_app USING ((org_id = remanence.current_org())) WITH CHECK ((org_id = remanence.current_org()));

GRANT USAGE ON SCHEMA remanence TO remanence_app;

REVOKE ALL ON FUNCTION remanence.add_usage_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.add_usage_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_blocks_v1(p_agent_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_blocks_v1(p_agent_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_change_over_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_change_over_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_create_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_create_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_delete_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_delete_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_fork_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_fork_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_relations_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_relations_v1() TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.agents TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_sort_key_v1(p_agent remanence.agents, p_order_by text, p_ascending boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_sort_key_v1(p_agent remanence.agents, p_order_by text, p_ascending boolean) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_state_v1(p_agent_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_state_v1(p_agent_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_update_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_update_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agent_view_v1(p_agent_id text, p_relations text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agent_view_v1(p_agent_id text, p_relations text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.agents_import_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.agents_import_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.all_ok_v1(p_answer jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.all_ok_v1(p_answer jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.any_key_v1(p_lexemes text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.any_key_v1(p_lexemes text[]) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.conversations TO remanence_app;

REVOKE ALL ON FUNCTION remanence.approval_refusal_v1(p_conv remanence.conversations, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.approval_refusal_v1(p_conv remanence.conversations, p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.approval_waits_v1(p_conv remanence.conversations) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.approval_waits_v1(p_conv remanence.conversations) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.archive_at_v1(p_archive_id text, p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.archive_at_v1(p_archive_id text, p_at timestamp with time zone) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.archive_fill_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.archive_fill_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.archive_link_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.archive_link_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.archive_update_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.archive_update_v1(p jsonb) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.archives TO remanence_app;

REVOKE ALL ON FUNCTION remanence.archive_view_v1(p_archive remanence.archives) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.archive_view_v1(p_archive remanence.archives) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.author_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.author_v1() TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.blocks TO remanence_app;

REVOKE ALL ON FUNCTION remanence.block_at_v1(p_block remanence.blocks, p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.block_at_v1(p_block remanence.blocks, p_at timestamp with time zone) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.block_delete_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.block_delete_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.block_fields_v1(p_block remanence.blocks, p_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.block_fields_v1(p_block remanence.blocks, p_version integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.block_id_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.block_id_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.block_link_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.block_link_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.block_lock_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.block_lock_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.block_update_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.block_update_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.changed_blocks_v1(p_agent_id text, p_step_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.changed_blocks_v1(p_agent_id text, p_step_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.changed_passages_v1(p_step_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.changed_passages_v1(p_step_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.changes_undo_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.changes_undo_v1(p jsonb) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.runs TO remanence_app;

REVOKE ALL ON FUNCTION remanence.claim_v1(p_conv remanence.conversations, p_run remanence.runs, p_token text, p_lease_ms integer, p_is_new boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.claim_v1(p_conv remanence.conversations, p_run remanence.runs, p_token text, p_lease_ms integer, p_is_new boolean) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.committed_v1(p_conv remanence.conversations, p jsonb, p_moment timestamp with time zone, p_cancel_requested boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.committed_v1(p_conv remanence.conversations, p jsonb, p_moment timestamp with time zone, p_cancel_requested boolean) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.compact_commit_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.compact_commit_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.compact_commit_v2(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.compact_commit_v2(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.context_message_ids_v1(p_agent_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.context_message_ids_v1(p_agent_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.conversation_delete_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.conversation_delete_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.conversation_fork_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.conversation_fork_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.conversation_sort_key_v1(p_conv remanence.conversations, p_order_by text, p_ascending boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.conversation_sort_key_v1(p_conv remanence.conversations, p_order_by text, p_ascending boolean) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.conversation_view_v1(p_conv remanence.conversations) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.conversation_view_v1(p_conv remanence.conversations) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.copy_history_v1(p_source remanence.conversations, p_made remanence.conversations, p_last_seq bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.copy_history_v1(p_source remanence.conversations, p_made remanence.conversations, p_last_seq bigint) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.cosine_distance(a extensions.halfvec, b extensions.halfvec) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.cosine_distance(a extensions.halfvec, b extensions.halfvec) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.current_org() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.current_org() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.date_attachment_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.date_attachment_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.lexemes(content text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.lexemes(content text) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.passages TO remanence_app;

REVOKE ALL ON FUNCTION remanence.eligible_passages_v1(p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamp with time zone, p_to timestamp with time zone, p_as_of timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.eligible_passages_v1(p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamp with time zone, p_to timestamp with time zone, p_as_of timestamp with time zone) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.enter_org(p_org_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.enter_org(p_org_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.enter_step_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.enter_step_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.fact_instant_v1(p_metadata jsonb, p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.fact_instant_v1(p_metadata jsonb, p_name text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.fact_source_ids_v1(p_passage_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.fact_source_ids_v1(p_passage_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.facts_claim_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.facts_claim_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.facts_commit_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.facts_commit_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.facts_due_v1(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.facts_due_v1(p_limit integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.fold(content text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.fold(content text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.forget_passage_versions_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.forget_passage_versions_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.forget_passages_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.forget_passages_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.forget_source_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.forget_source_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.forget_texts_v1(p_org_ids text[], p_texts text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.forget_texts_v1(p_org_ids text[], p_texts text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.fork_archives_v1(p jsonb, p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.fork_archives_v1(p jsonb, p_at timestamp with time zone) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.fork_blocks_v1(p jsonb, p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.fork_blocks_v1(p jsonb, p_at timestamp with time zone) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.full_blocks_v1(p_limit integer, p_share real) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.full_blocks_v1(p_limit integer, p_share real) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.gap_fill_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.gap_fill_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.gap_load_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.gap_load_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.gaps_due_v1(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.gaps_due_v1(p_limit integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.has_phrase_v1(p_text text, p_phrases text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.has_phrase_v1(p_text text, p_phrases text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.identity_link_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.identity_link_v1(p jsonb) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.identities TO remanence_app;

REVOKE ALL ON FUNCTION remanence.identity_view_v1(p_identity remanence.identities) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.identity_view_v1(p_identity remanence.identities) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.identity_write_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.identity_write_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.ids_of_v1(p_list jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.ids_of_v1(p_list jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.insert_blocks_v1(p_org_id text, p_blocks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.insert_blocks_v1(p_org_id text, p_blocks jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.insert_passages_v1(p_org_id text, p_archive_id text, p_step_id text, p_passages jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.insert_passages_v1(p_org_id text, p_archive_id text, p_step_id text, p_passages jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.instant_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.instant_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.is_named_v1(p_teller text, p_names text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.is_named_v1(p_teller text, p_names text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.keep_attached_archive_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.keep_attached_archive_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.keep_attached_block_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.keep_attached_block_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.keep_passage_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.keep_passage_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.keep_snapshots_v1(p_conversation_id text, p_snapshots jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.keep_snapshots_v1(p_conversation_id text, p_snapshots jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.line_ages_v1(p_block_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.line_ages_v1(p_block_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.lines_move_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.lines_move_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.memory_at_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.memory_at_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.memory_counts_v1(p_agent_id text, p_window_from_seq bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.memory_counts_v1(p_agent_id text, p_window_from_seq bigint) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.message_candidates_v1(p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamp with time zone, p_to timestamp with time zone, p_view_conversation_id text, p_view_from_seq bigint, p_keys tsquery, p_queries tsquery[], p_weights real[], p_is_common boolean[], p_embedding real[], p_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.message_candidates_v1(p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamp with time zone, p_to timestamp with time zone, p_view_conversation_id text, p_view_from_seq bigint, p_keys tsquery, p_queries tsquery[], p_weights real[], p_is_common boolean[], p_embedding real[], p_model text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.message_vectors_add_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.message_vectors_add_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.messages_reset_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.messages_reset_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.missing_block_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.missing_block_v1(p jsonb) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.archive_gaps TO remanence_app;

REVOKE ALL ON FUNCTION remanence.missing_vectors_v1(p_gap remanence.archive_gaps, p_model text, p_from_start boolean, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.missing_vectors_v1(p_gap remanence.archive_gaps, p_model text, p_from_start boolean, p_limit integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.moment_v1(p_after timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.moment_v1(p_after timestamp with time zone) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.move_agent_v1(p_agent remanence.agents, p_wanted remanence.agents) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.move_agent_v1(p_agent remanence.agents, p_wanted remanence.agents) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.move_archive_v1(p_archive_id text, p_handle text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.move_archive_v1(p_archive_id text, p_handle text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.move_window_v1(p_conv remanence.conversations, p_step_id text, p_eviction jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.move_window_v1(p_conv remanence.conversations, p_step_id text, p_eviction jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.moving_agents_v1(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.moving_agents_v1(p_limit integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.nearness_v1(p_moment timestamp with time zone, p_starts timestamp with time zone[], p_ends timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.nearness_v1(p_moment timestamp with time zone, p_starts timestamp with time zone[], p_ends timestamp with time zone[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.note_gaps_v1(p_archive_id text, p_passage_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.note_gaps_v1(p_archive_id text, p_passage_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.number_passage_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.number_passage_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.own_archive_v1(p_agent remanence.agents, p_new_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.own_archive_v1(p_agent remanence.agents, p_new_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.own_providers_v1(p_org_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.own_providers_v1(p_org_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passage_at_v1(p_passage_id text, p_version integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passage_at_v1(p_passage_id text, p_version integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passage_candidates_v1(p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamp with time zone, p_to timestamp with time zone, p_as_of timestamp with time zone, p_keys tsquery, p_queries tsquery[], p_weights real[], p_is_common boolean[], p_embedding real[], p_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passage_candidates_v1(p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamp with time zone, p_to timestamp with time zone, p_as_of timestamp with time zone, p_keys tsquery, p_queries tsquery[], p_weights real[], p_is_common boolean[], p_embedding real[], p_model text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passage_delete_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passage_delete_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passage_row_v1(p_passage remanence.passages) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passage_row_v1(p_passage remanence.passages) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passage_state_v1(p_passage_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passage_state_v1(p_passage_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passage_undo_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passage_undo_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passage_write_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passage_write_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passages_add_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passages_add_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.passages_at_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.passages_at_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.question_terms_v1(p_question text, p_related text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.question_terms_v1(p_question text, p_related text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.raise_v1(p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_age interval) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.raise_v1(p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_age interval) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.raise_v2(p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_age interval) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.raise_v2(p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_age interval) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.raise_v3(p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_is_of_user boolean, p_age interval) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.raise_v3(p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean, p_is_of_user boolean, p_age interval) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.rank_by_vector_v1(p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_around double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.rank_by_vector_v1(p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_around double precision) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.rank_by_vector_v2(p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_around double precision, p_usual double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.rank_by_vector_v2(p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_around double precision, p_usual double precision) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.rank_by_words_v1(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.rank_by_words_v1(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.rank_by_words_v2(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[], p_around double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.rank_by_words_v2(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[], p_around double precision) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.rank_by_words_v3(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[], p_around double precision, p_texts double precision, p_size double precision, p_matched double precision, p_found integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.rank_by_words_v3(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_hit_places integer[], p_hit_terms integer[], p_around double precision, p_texts double precision, p_size double precision, p_matched double precision, p_found integer[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.rank_v1(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_hit_places integer[], p_hit_terms integer[], p_starts timestamp with time zone[], p_ends timestamp with time zone[], p_around double precision, p_keep integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.rank_v1(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_hit_places integer[], p_hit_terms integer[], p_starts timestamp with time zone[], p_ends timestamp with time zone[], p_around double precision, p_keep integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.rank_v2(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_hit_places integer[], p_hit_terms integer[], p_starts timestamp with time zone[], p_ends timestamp with time zone[], p_around double precision, p_keep integer, p_texts double precision, p_size double precision, p_matched double precision, p_found integer[], p_usual double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.rank_v2(p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[], p_moments timestamp with time zone[], p_likeness double precision[], p_hit_places integer[], p_hit_terms integer[], p_starts timestamp with time zone[], p_ends timestamp with time zone[], p_around double precision, p_keep integer, p_texts double precision, p_size double precision, p_matched double precision, p_found integer[], p_usual double precision) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.refuse_run_v1(p_run_id text, p_refusal jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.refuse_run_v1(p_run_id text, p_refusal jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.refuse_v1(p_outcome jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.refuse_v1(p_outcome jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.require_agents_v1(p_agent_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.require_agents_v1(p_agent_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.require_blocks_v1(p_block_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.require_blocks_v1(p_block_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.require_identities_v1(p_identity_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.require_identities_v1(p_identity_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.run_cancel_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.run_cancel_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.run_start_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.run_start_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.run_steps_v1(p_run_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.run_steps_v1(p_run_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.said(role text, parts jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.said(role text, parts jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.set_agent_belongings_v1(p_agent remanence.agents, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.set_agent_belongings_v1(p_agent remanence.agents, p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.set_agent_blocks_v1(p_org_id text, p_agent_id text, p_block_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.set_agent_blocks_v1(p_org_id text, p_agent_id text, p_block_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.set_agent_tools_v1(p_org_id text, p_agent_id text, p_tool_ids text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.set_agent_tools_v1(p_org_id text, p_agent_id text, p_tool_ids text[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.set_vector_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.set_vector_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.share_moment_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.share_moment_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.share_v1(p_size double precision, p_words integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.share_v1(p_size double precision, p_words integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.shown_types_v1(role text, parts jsonb, p_speech_tool text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.shown_types_v1(role text, parts jsonb, p_speech_tool text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.side_v1(p_teller text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.side_v1(p_teller text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.sign_block_version_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.sign_block_version_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.sign_v1(p_author jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.sign_v1(p_author jsonb) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.messages TO remanence_app;

REVOKE ALL ON FUNCTION remanence.speech_v1(p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.speech_v1(p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamp with time zone, p_to timestamp with time zone) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.spend_record_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.spend_record_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.spend_reserve_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.spend_reserve_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.spent_v1(p_org_id text, p_agent_id text, p_run_id text, p_period text, p_step_id text, OUT tokens bigint, OUT usd_micros bigint, OUT held_tokens bigint, OUT held_usd_micros bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.spent_v1(p_org_id text, p_agent_id text, p_run_id text, p_period text, p_step_id text, OUT tokens bigint, OUT usd_micros bigint, OUT held_tokens bigint, OUT held_usd_micros bigint) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.state_v1(p_conv remanence.conversations, p_run remanence.runs, p_is_new boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.state_v1(p_conv remanence.conversations, p_run remanence.runs, p_is_new boolean) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.step_begin_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.step_begin_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.step_changes_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.step_changes_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.step_commit_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.step_commit_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.step_commit_v2(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.step_commit_v2(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.step_end_v1(p_conversation_id text, p_step_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.step_end_v1(p_conversation_id text, p_step_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.step_lock_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.step_lock_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.step_state_v1(p_conversation_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.step_state_v1(p_conversation_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.sweep_v1(p_limit integer, p_hanging_after_ms integer, p_share real) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.sweep_v1(p_limit integer, p_hanging_after_ms integer, p_share real) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.teller_v1(p_text text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.teller_v1(p_text text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.time_fact_v1() FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.time_fact_v1() TO remanence_app;

REVOKE ALL ON FUNCTION remanence.to_halfvec(v real[]) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.to_halfvec(v real[]) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.told_by_v1(p_text text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.told_by_v1(p_text text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.tool_approval_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.tool_approval_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.tool_delete_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.tool_delete_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.tool_effects_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.tool_effects_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.tool_ids_v1(p_names jsonb, p_ids jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.tool_ids_v1(p_names jsonb, p_ids jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.tool_link_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.tool_link_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.tool_update_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.tool_update_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.tool_upsert_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.tool_upsert_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.touch_agent_v1(p_agent_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.touch_agent_v1(p_agent_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.touch_agents_of_tool_v1(p_tool_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.touch_agents_of_tool_v1(p_tool_id text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.unembedded_load_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.unembedded_load_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.unembedded_v1(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.unembedded_v1(p_limit integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.unembedded_v2(p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.unembedded_v2(p_limit integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.vectors_find_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.vectors_find_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.vectors_forget_v1(p_hours integer) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.vectors_forget_v1(p_hours integer) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.vectors_keep_v1(p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.vectors_keep_v1(p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.vectors_to_seq_v1(p_conv remanence.conversations, p_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.vectors_to_seq_v1(p_conv remanence.conversations, p_model text) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.weigh_named_v1(p_weight double precision, p_is_named boolean, p_relevance double precision, p_best_relevance double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.weigh_named_v1(p_weight double precision, p_is_named boolean, p_relevance double precision, p_best_relevance double precision) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.worth_v1(p_weight real, p_texts double precision, p_found double precision) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.worth_v1(p_weight real, p_texts double precision, p_found double precision) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.write_blocks_v1(p_org_id text, p_agent_id text, p_step_id text, p_blocks jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.write_blocks_v1(p_org_id text, p_agent_id text, p_step_id text, p_blocks jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.write_facts_v1(p_agent remanence.agents, p_archive_id text, p jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.write_facts_v1(p_agent remanence.agents, p_archive_id text, p jsonb) TO remanence_app;

REVOKE ALL ON FUNCTION remanence.write_history_v1(p_item jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION remanence.write_history_v1(p_item jsonb) TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.agent_secrets TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.agents_blocks TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.agents_identities TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.agents_tools TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.archives_agents TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.attachments_past TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.block_versions TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.blocks_identities TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.fact_progress TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.fact_sources TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.facts TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.message_vectors TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.organizations TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.passage_vectors TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.passage_versions TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.providers TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.remembered_vectors TO remanence_app;

GRANT SELECT ON TABLE remanence.schema_migrations TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.snapshots TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.snapshots_blocks TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.spend_reservations TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.steps TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.summaries TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.tools TO remanence_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE remanence.usage_daily TO remanence_app;
