-- Custom tools: made, changed and deleted. An agent that has one gets a new version with each
-- change, so that a running step notices.

-- Locks the agents that have a tool, in one order, and raises their versions.
create function remanence.touch_agents_of_tool_v1(p_tool_id text) returns void
language sql
as $$
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

-- Stores a custom tool; one of the same name becomes this one, and keeps its id, its metadata and
-- whatever else was not given.
--
-- p: org_id, tool {row of tools}, given [of tags, return_char_limit, default_requires_approval]
-- returns ok: tool {row}. conflict: a built-in tool has the name
create function remanence.tool_upsert_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Replaces a custom tool by one that was made from the row as it was at `base_updated_at`.
--
-- p: org_id, base_updated_at, tool {row of tools, with its id}
-- returns ok: tool {row}. not_found. stale. conflict: it is built in, or the name is taken
create function remanence.tool_update_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Deletes a custom tool; the agents that have it lose it.
--
-- p: org_id, tool_id
-- returns ok. not_found. conflict: it is built in
create function remanence.tool_delete_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Writes what a built-in tool did that was run outside of a step, as an edit by a caller.
--
-- p: org_id, agent_id, blocks {edited, created, detached: as write_blocks_v1 takes them},
--    passages [as insert_passages_v1 takes them], new_archive_id
-- returns ok. not_found: the agent. stale: a block is no longer the one it was made from
create function remanence.tool_effects_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
