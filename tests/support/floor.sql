-- The least a step can be, written by hand: one function claims and reads, one commits a row each
-- (a run, a step, two messages; no idempotency, approvals, cancelling, queueing, epochs, eviction).
create schema floor;
create table floor.conversations (
    id text primary key, next_seq bigint not null default 1, next_step integer not null default 1,
    lease_token text, lease_until timestamptz);
create table floor.messages (
    conversation_id text not null, seq bigint not null, id text not null unique,
    role text not null, parts jsonb not null, created_at timestamptz not null default now(),
    primary key (conversation_id, seq));
create table floor.runs (
    id text primary key, conversation_id text not null, status text not null, input jsonb not null,
    created_at timestamptz not null default now(), completed_at timestamptz);
create table floor.steps (
    conversation_id text not null, step_no integer not null, lease_token text not null,
    usage jsonb not null, created_at timestamptz not null default now(),
    primary key (conversation_id, step_no));
create table floor.agents (id text primary key, agent jsonb not null);
create table floor.parts (
    agent_id text not null, kind text not null, place integer not null, part jsonb not null,
    primary key (agent_id, kind, place));

create function floor.step_begin(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv floor.conversations;
begin
    update floor.conversations
    set lease_token = p ->> 'token', lease_until = clock_timestamp() + interval '2 min',
        next_seq = next_seq + 1
    where id = p ->> 'id' and (lease_until is null or lease_until < clock_timestamp()
        or lease_token = p ->> 'token')
    returning * into conv;
    if not found then
        return '{"outcome": "busy"}';
    end if;
    insert into floor.runs (id, conversation_id, status, input)
    values (p ->> 'run_id', conv.id, 'running', p -> 'parts');
    insert into floor.messages (conversation_id, seq, id, role, parts)
    values (conv.id, conv.next_seq - 1, p ->> 'message_id', 'user', p -> 'parts');
    return jsonb_build_object(
        'outcome', 'ok', 'conversation', to_jsonb(conv),
        'agent', (select agent from floor.agents where id = p ->> 'agent_id'),
        'blocks', (select jsonb_agg(part order by place) from floor.parts
                   where agent_id = p ->> 'agent_id' and kind = 'block'),
        'tools', (select jsonb_agg(part order by place) from floor.parts
                  where agent_id = p ->> 'agent_id' and kind = 'tool'),
        'window', (
            select jsonb_agg(to_jsonb(message) order by seq) from floor.messages as message
            where conversation_id = conv.id and seq >= (p ->> 'from_seq')::bigint));
end
$$;

create function floor.step_commit(p jsonb) returns jsonb
language plpgsql
as $$
declare
    conv floor.conversations;
begin
    update floor.conversations
    set next_seq = next_seq + 1, next_step = next_step + 1, lease_token = null, lease_until = null
    where id = p ->> 'id' and lease_token = p ->> 'token'
    returning * into conv;
    if not found then
        return '{"outcome": "lost"}';
    end if;
    insert into floor.messages (conversation_id, seq, id, role, parts)
    values (conv.id, conv.next_seq - 1, p ->> 'message_id', 'assistant', p -> 'parts');
    insert into floor.steps (conversation_id, step_no, lease_token, usage)
    values (conv.id, conv.next_step - 1, p ->> 'token', p -> 'usage');
    update floor.runs set status = 'completed', completed_at = clock_timestamp()
    where id = p ->> 'run_id';
    return jsonb_build_object('outcome', 'ok', 'next_seq', conv.next_seq);
end
$$;
