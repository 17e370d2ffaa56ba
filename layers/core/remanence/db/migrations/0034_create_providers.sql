-- Providers that organizations bring keys of their own to. Only seals of keys are stored; they are
-- opened where a model is called, so a step reads them with everything else that it reads.

create table remanence.providers (
    id text primary key,
    org_id text not null references remanence.organizations (id),
    name text not null,                         -- the first part of the handles of its models
    provider_type text not null,                -- openai, anthropic, google_ai ..., see llm/vendors.py
    api_key text not null,                      -- a seal, see sealing.py
    api_key_hint text not null,                 -- the end of the key, for its owner
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint providers_name_unique unique (org_id, name),
    constraint providers_sealed_check check (api_key like 'gcm1:%'),
    constraint providers_hint_check check (length(api_key_hint) <= 4)
);
-- GET /v1/providers/
create index providers_org_created_idx on remanence.providers (org_id, created_at, id);
alter table remanence.providers enable row level security;
create policy providers_of_org on remanence.providers to remanence_app
    using (org_id = remanence.current_org()) with check (org_id = remanence.current_org());
revoke all on remanence.providers from public;
grant select, insert, update, delete on remanence.providers to remanence_app;

-- What is needed to call the models of an organization's own providers.
create function remanence.own_providers_v1(p_org_id text) returns json
language plpgsql stable
as $$
begin
    return (
        select coalesce(json_agg(own order by own.created_at, own.id), '[]')
        from (
            select id, name, provider_type, api_key, created_at
            from remanence.providers
            where org_id = p_org_id) as own);
end
$$;

-- Everything one step reads: of a conversation as it is now, and a run of it (null: none).
--
-- It is json, not jsonb, and names what is read: it is built once and sent, and a window of a
-- thousand messages costs half of what jsonb takes. (All functions here are plpgsql because that
-- keeps their plans for the session; an SQL function is planned anew by each statement.)
create or replace function remanence.state_v1(
    p_conv remanence.conversations, p_run remanence.runs, p_is_new boolean) returns json
language plpgsql
as $$
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

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
