-- What is spent, and caps on it. A step enters what it has cost into the ledger in the transaction
-- that commits it; a call of somebody who has caps is reckoned against them before it is made.

-- {run, day, total: {tokens, usd_micros}}; each may be missing. Null: nothing is capped.
alter table remanence.agents add column caps jsonb;
alter table remanence.organizations add column caps jsonb;

-- The ledger: one row per agent, day and model. It outlives its agent.
create table remanence.usage_daily (
    org_id text not null,
    agent_id text not null,
    day date not null,                          -- UTC
    model text not null,                        -- provider/name
    calls bigint not null default 0,
    prompt_tokens bigint not null default 0,
    completion_tokens bigint not null default 0,
    cached_input_tokens bigint not null default 0,
    cache_write_tokens bigint not null default 0,
    reasoning_tokens bigint not null default 0,
    usd_micros bigint not null default 0,       -- of the calls whose price was known
    unpriced_tokens bigint not null default 0,  -- of the others
    primary key (agent_id, day, model)
) with (fillfactor = 80);
-- the caps of an organization, and GET /v1/usage/
create index usage_daily_org_day_idx on remanence.usage_daily (org_id, day);

-- What calls under way may still cost. A row leaves with the commit of its step, or counts no more
-- when the lease of a worker that died is over.
create table remanence.spend_reservations (
    step_id text primary key,
    org_id text not null,
    agent_id text not null,
    run_id text not null,
    tokens bigint not null,
    usd_micros bigint not null,
    expires_at timestamptz not null,
    created_at timestamptz not null default now()
);
-- what is reserved, of an agent and of an organization
create index spend_reservations_org_agent_idx on remanence.spend_reservations (org_id, agent_id);

do $$
declare
    name text;
begin
    foreach name in array array['usage_daily', 'spend_reservations'] loop
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

-- Enters one call into the ledger.
--
-- p: org_id, agent_id, model, prompt_tokens, completion_tokens, cached_input_tokens,
--    cache_write_tokens, reasoning_tokens, usd_micros (null: no price is known)
create function remanence.add_usage_v1(p jsonb) returns void
language plpgsql
as $$
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

-- What a committed step means for the ledger; its receipt names the model that answered, and what
-- the call has cost: spend {model, usd_micros, is_reserved}.
create function remanence.enter_step_v1() returns trigger
language plpgsql
as $$
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
create trigger steps_ledger_trigger after insert on remanence.steps
    for each row execute function remanence.enter_step_v1();

-- What was used in a period, and what is reserved in it.
-- p_agent_id null: by the whole organization.
create function remanence.spent_v1(
    p_org_id text, p_agent_id text, p_run_id text, p_period text, p_step_id text,
    out tokens bigint, out usd_micros bigint, out held_tokens bigint, out held_usd_micros bigint)
language plpgsql
as $$
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

-- Sets aside what a call may cost, or says which cap has no room for it.
-- Whoever asks for the same caps waits here: what is decided is written before the next one looks.
-- Its locks are taken before any other of the transaction, organization first.
--
-- p: org_id, agent_id, run_id, step_id, prompt_tokens, prompt_usd_micros (null: no price is
--    known), answer_tokens, answer_usd_micros (of one token), least_answer_tokens, hold_ms
-- returns outcome:
--    ok        answer_tokens: what the answer may have
--    refused   scope, period, unit, limit, used, reserved
--    unpriced  scope: it has a cap in dollars
create function remanence.spend_reserve_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Enters a call that belongs to no step, and gives back what it had reserved.
--
-- p: see add_usage_v1; and step_id, the name of its reservation
create function remanence.spend_record_v1(p jsonb) returns void
language plpgsql
as $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.add_usage_v1(p);
    delete from remanence.spend_reservations where step_id = p ->> 'step_id';
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

grant execute on all functions in schema remanence to remanence_app;
