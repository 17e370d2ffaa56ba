-- Identities: the people, organizations or other things outside that agents and blocks belong to,
-- each known by a key of the caller's own.

create table remanence.identities (
    id text primary key,
    org_id text not null references remanence.organizations (id),
    identifier_key text not null,               -- the caller's own id of it
    name text not null,
    identity_type text not null,
    project_id text,                            -- keys are unique in it
    properties jsonb not null default '[]',     -- [{key, value, type}]
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint identities_type_check check (identity_type in ('org', 'user', 'other')),
    constraint identities_key_unique unique nulls not distinct (org_id, identifier_key, project_id)
);
-- identities.list
create index identities_org_created_idx on remanence.identities (org_id, created_at, id);

create table remanence.agents_identities (
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    identity_id text not null references remanence.identities (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (agent_id, identity_id)
);
-- the agents of an identity
create index agents_identities_identity_idx on remanence.agents_identities (identity_id, created_at);

create table remanence.blocks_identities (
    org_id text not null,
    block_id text not null references remanence.blocks (id) on delete cascade,
    identity_id text not null references remanence.identities (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (block_id, identity_id)
);
-- the blocks of an identity
create index blocks_identities_identity_idx on remanence.blocks_identities (identity_id, created_at);

do $$
declare
    name text;
begin
    foreach name in array array['identities', 'agents_identities', 'blocks_identities'] loop
        execute format('alter table remanence.%I enable row level security', name);
        execute format(
            'create policy %I on remanence.%I to remanence_app
             using (org_id = remanence.current_org()) with check (org_id = remanence.current_org())',
            name || '_of_org', name);
        execute format('revoke all on remanence.%I from public', name);
        execute format(
            'grant select, insert, update, delete on remanence.%I to remanence_app', name);
    end loop;
end
$$;

-- An identity as the API shows it, with the 500 newest agents and blocks that are attached to it.
create function remanence.identity_view_v1(p_identity remanence.identities) returns jsonb
language sql stable
as $$
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

-- Refuses when one of these ids is none of the table's (a foreign key looks past the organization);
-- locks the others, so that they stay.
create function remanence.require_identities_v1(p_identity_ids text[]) returns void
language plpgsql
as $$
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

-- The same for agents.
create function remanence.require_agents_v1(p_agent_ids text[]) returns void
language plpgsql
as $$
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

-- What a list of ids in a call holds; null when it holds no list.
create function remanence.ids_of_v1(p_list jsonb) returns text[]
language sql immutable
as $$
    select case jsonb_typeof(p_list) when 'array'
        then array(select jsonb_array_elements_text(p_list) order by 1) end
$$;

-- Makes an identity, or changes one.
--
-- p: org_id, mode create | upsert | update, identity {row of identities; for update: id and what
--    changes}, agent_ids | null, block_ids | null: what it has afterwards; null: as before
-- returns ok: identity. Upsert: the one that has the key already, changed. Create: a conflict then.
create function remanence.identity_write_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Attaches an identity to an agent or a block, or detaches it; what is so already stays so.
--
-- p: org_id, identity_id, agent_id | null, block_id | null, attach
-- returns outcome: ok | not_found (kind, id)
create function remanence.identity_link_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Gives an agent what a call of create or update says belongs to it, beside blocks and tools.
-- The caller holds the agent's lock.
--
-- p: identity_ids [id ...]; null, or not there: as before
create function remanence.set_agent_belongings_v1(p_agent remanence.agents, p jsonb) returns void
language plpgsql
as $$
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
end
$$;

-- An agent as the API shows it; p_relations are the ones to fill, of blocks, tools
-- and identities. `pending`
-- is the approval request that waits in its default conversation.
create or replace function remanence.agent_view_v1(p_agent_id text, p_relations text[]) returns jsonb
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
        'identities', case when 'identities' = any (p_relations)
            then coalesce((
                select jsonb_agg(remanence.identity_view_v1(identity) order by link.created_at, identity.id)
                from remanence.agents_identities as link
                join remanence.identities as identity on identity.id = link.identity_id
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

-- Makes an agent with its default conversation, its blocks and its tools.
--
-- p: org_id, agent {row of agents}, conversation_id, new_blocks [{row of blocks}], block_ids,
--    tool_names, tool_ids, identity_ids, messages [{row of messages}] (the history it starts with)
-- returns ok: view, with every relation. The same agent id again: the agent that exists.
create or replace function remanence.agent_create_v1(p jsonb) returns jsonb
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
        made.org_id := p ->> 'org_id';
        perform remanence.set_agent_belongings_v1(made, p);
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(made.id, '{blocks,tools,identities}'));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

-- Replaces the configuration of an agent by one that was made from its version base_version.
--
-- p: org_id, agent {row of agents: id and every column that may change}, base_version,
--    block_ids | null, tool_ids | null, identity_ids | null: what it has afterwards; null: as before
-- returns ok: view, with every relation
create or replace function remanence.agent_update_v1(p jsonb) returns jsonb
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
    perform remanence.set_agent_belongings_v1(agent, p);
    return jsonb_build_object(
        'outcome', 'ok', 'view', remanence.agent_view_v1(agent.id, '{blocks,tools,identities}'));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
