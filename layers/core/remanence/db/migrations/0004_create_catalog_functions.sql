-- The catalog: agents, blocks and tools as the API reads and changes them.
--
-- Each function is one round trip, enters its organization itself, and answers with an outcome:
--    ok         and what was asked for
--    not_found  kind, id
--    conflict   message
--    limit      what, limit, actual
--    stale      the row is no longer the one the caller has read
-- Anything but ok has written nothing. Every change a step has to notice raises the version of
-- the agent, or of the block. Locks are always taken in the order conversations, blocks (by id),
-- agent: the order of a step's commit, so that none of them waits for another in a circle.

-- Ends a function with an outcome and undoes what it has written; see settle_v1.
create function remanence.refuse_v1(p_outcome jsonb) returns void
language plpgsql
as $$
begin
    raise exception using
        errcode = 'RM001', message = p_outcome ->> 'outcome', detail = p_outcome::text;
end
$$;

-- The messages that are in context in an agent's default conversation, the newest 500, in order.
create function remanence.context_message_ids_v1(p_agent_id text) returns jsonb
language sql stable
as $$
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

-- An agent as the API shows it; p_relations are the ones to fill, of blocks and tools. `pending`
-- is the approval request that waits in its default conversation.
create function remanence.agent_view_v1(p_agent_id text, p_relations text[]) returns jsonb
language sql stable
as $$
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

-- What agents are sorted by. Never having run sorts last in both orders.
create function remanence.agent_sort_key_v1(
    p_agent remanence.agents, p_order_by text, p_ascending boolean) returns timestamptz
language sql immutable
as $$
    select case p_order_by
        when 'updated_at' then p_agent.updated_at
        when 'last_run_completion' then coalesce(
            p_agent.last_run_completion,
            case when p_ascending then timestamptz 'infinity' else timestamptz '-infinity' end)
        else p_agent.created_at
    end
$$;

-- Raises the version of an agent, which locks it. Refuses when there is none.
create function remanence.touch_agent_v1(p_agent_id text) returns remanence.agents
language plpgsql
as $$
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

-- Refuses when one of these ids is none of the table's; locks blocks, so that they stay.
create function remanence.require_blocks_v1(p_block_ids text[]) returns void
language plpgsql
as $$
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

-- The ids of tools given by name and by id, in that order, each once. Refuses what is unknown.
create function remanence.tool_ids_v1(p_names jsonb, p_ids jsonb) returns text[]
language plpgsql
as $$
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

-- Stores new blocks, each with its first version: [{row of blocks}].
create function remanence.insert_blocks_v1(p_org_id text, p_blocks jsonb) returns void
language plpgsql
as $$
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

-- Makes these blocks the blocks of an agent, in this order. The caller holds the agent's lock.
create function remanence.set_agent_blocks_v1(
    p_org_id text, p_agent_id text, p_block_ids text[]) returns void
language plpgsql
as $$
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

-- Makes these tools the tools of an agent, in this order. The caller holds the agent's lock.
create function remanence.set_agent_tools_v1(
    p_org_id text, p_agent_id text, p_tool_ids text[]) returns void
language plpgsql
as $$
begin
    delete from remanence.agents_tools
    where agent_id = p_agent_id and not tool_id = any (p_tool_ids);
    insert into remanence.agents_tools (org_id, agent_id, tool_id, position)
    select p_org_id, p_agent_id, wanted.id, wanted.place
    from unnest(p_tool_ids) with ordinality as wanted (id, place)
    on conflict (agent_id, tool_id) do update set position = excluded.position;
end
$$;

-- Makes an agent with its default conversation, its blocks and its tools.
--
-- p: org_id, agent {row of agents}, conversation_id, new_blocks [{row of blocks}], block_ids,
--    tool_names, tool_ids, messages [{row of messages}] (the history it starts with)
-- returns ok: view, with blocks and tools. The same agent id again: the agent that exists.
create function remanence.agent_create_v1(p jsonb) returns jsonb
language plpgsql
as $$
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
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(made.id, '{blocks,tools}'));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

-- Replaces the configuration of an agent by one that was made from its version base_version.
--
-- p: org_id, agent {row of agents: id and every column that may change}, base_version,
--    block_ids | null, tool_ids | null: what it has afterwards; null: as before
-- returns ok: view, with blocks and tools
create function remanence.agent_update_v1(p jsonb) returns jsonb
language plpgsql
as $$
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
    update remanence.agents
    set name = wanted.name, system = wanted.system, model = wanted.model,
        embedding = wanted.embedding, description = wanted.description,
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
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(agent.id, '{blocks,tools}'));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

-- Deletes an agent with its conversations, runs and messages, and the archives that were made for
-- it and serve nobody else. Its blocks stay: they may be attached to another agent.
--
-- p: org_id, agent_id
create function remanence.agent_delete_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Changes a block, given by its id or by an agent and a label.
--
-- p: org_id, block_id | agent_id and label, set {column: value}; extras are added to
-- returns ok: block. A change of what an agent sees raises the block's version and is kept.
create function remanence.block_update_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    block remanence.blocks;
    wanted remanence.blocks;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into block from remanence.blocks
    where id = coalesce(p ->> 'block_id', (
        select link.block_id from remanence.agents_blocks as link
        where link.agent_id = p ->> 'agent_id' and link.label = p ->> 'label'))
    for update;
    if not found then
        return remanence.missing_block_v1(p);
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
        insert into remanence.block_versions (org_id, block_id, version, value)
        values (block.org_id, block.id, wanted.version, wanted.value);
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

-- Why there is no block: the agent is missing, or its label, or the block.
create function remanence.missing_block_v1(p jsonb) returns jsonb
language sql stable
as $$
    select jsonb_build_object('outcome', 'not_found') || case
        when p ->> 'agent_id' is not null
            and not exists (select from remanence.agents where id = p ->> 'agent_id')
        then jsonb_build_object('kind', 'agent', 'id', p ->> 'agent_id')
        else jsonb_build_object('kind', 'block', 'id', coalesce(p ->> 'block_id', p ->> 'label'))
    end
$$;

-- Attaches a block to an agent, or detaches it; what is so already stays so.
--
-- p: org_id, agent_id, block_id, attach
-- returns ok: view, with blocks and tools
create function remanence.block_link_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Attaches a tool to an agent, or detaches it; what is so already stays so.
--
-- p: org_id, agent_id, tool_id, attach
-- returns ok: view, with blocks and tools
create function remanence.tool_link_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Says whether an agent's calls of one of its tools wait for approval, in the link and, as the
-- protocol shows it, among the agent's tool rules.
--
-- p: org_id, agent_id, tool_name, requires_approval, rule {the tool rule to that effect}
-- returns ok: view, with blocks and tools
create function remanence.tool_approval_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
