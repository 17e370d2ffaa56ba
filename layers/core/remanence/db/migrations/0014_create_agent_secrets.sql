-- Secrets of agents: what their custom tools find in the environment. Only seals are stored, and no
-- view shows them; they are opened where a tool is run.

create table remanence.agent_secrets (
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    name text not null,                         -- of the environment variable
    value text not null,                        -- a seal, see sealing.py
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (agent_id, name),
    constraint agent_secrets_sealed_check check (value like 'gcm1:%')
);
alter table remanence.agent_secrets enable row level security;
create policy agent_secrets_of_org on remanence.agent_secrets to remanence_app
    using (org_id = remanence.current_org()) with check (org_id = remanence.current_org());
revoke all on remanence.agent_secrets from public;
grant select, insert, update, delete on remanence.agent_secrets to remanence_app;

-- Every relation of an agent: what its maker, and who changes it, is shown.
create function remanence.agent_relations_v1() returns text[]
language sql immutable
as $$ select '{blocks,tools,identities,secrets}'::text[] $$;

-- An agent as the API shows it; p_relations are the ones to fill, of blocks, tools,
-- identities and secrets (their names). `pending`
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

-- Gives an agent what a call of create or update says belongs to it, beside blocks and tools.
-- The caller holds the agent's lock.
--
-- p: identity_ids [id ...], secrets {name: seal}; null, or not there: as before
create or replace function remanence.set_agent_belongings_v1(p_agent remanence.agents, p jsonb) returns void
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

-- Makes an agent with its default conversation, its blocks and its tools.
--
-- p: org_id, agent {row of agents}, conversation_id, new_blocks [{row of blocks}], block_ids,
--    tool_names, tool_ids, identity_ids, secrets, messages [{row of messages}] (the history it starts with)
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
        'outcome', 'ok', 'view', remanence.agent_view_v1(made.id, remanence.agent_relations_v1()));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

-- Replaces the configuration of an agent by one that was made from its version base_version.
--
-- p: org_id, agent {row of agents: id and every column that may change}, base_version,
--    block_ids | null, tool_ids | null, identity_ids | null, secrets | null: what it
--    has afterwards; null: as before
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
        'outcome', 'ok', 'view', remanence.agent_view_v1(agent.id, remanence.agent_relations_v1()));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
