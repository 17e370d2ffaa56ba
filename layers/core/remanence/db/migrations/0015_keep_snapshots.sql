-- The receipt of a step names what its request was compiled from. Messages and summaries are kept
-- anyway; the system part and the tools change under it, and are kept here as they were sent.

-- Texts that stand still over many requests of an agent, each stored once.
create table remanence.snapshots (
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    hash text not null,                         -- of the text, and of the blocks that are in it
    kind text not null,                         -- system: a compiled system part; tools: JSON
    body text not null,
    created_at timestamptz not null default now(),
    primary key (agent_id, hash),
    constraint snapshots_kind_check check (kind in ('system', 'tools'))
);

-- Which snapshots the value of a block is in: with the block they are erased.
create table remanence.snapshots_blocks (
    org_id text not null,
    agent_id text not null,
    hash text not null,
    block_id text not null,
    created_at timestamptz not null default now(),
    primary key (agent_id, hash, block_id),
    constraint snapshots_blocks_snapshot_fkey foreign key (agent_id, hash)
        references remanence.snapshots (agent_id, hash) on delete cascade
);
-- block_delete_v1
create index snapshots_blocks_block_idx on remanence.snapshots_blocks (block_id);

do $$
declare
    name text;
begin
    foreach name in array array['snapshots', 'snapshots_blocks'] loop
        execute format('alter table remanence.%I enable row level security', name);
        execute format(
            'create policy %I on remanence.%I to remanence_app
             using (org_id = remanence.current_org())
             with check (org_id = remanence.current_org())',
            name || '_of_org', name);
        execute format('revoke all on remanence.%I from public', name);
        execute format(
            'grant select, insert, update, delete on remanence.%I to remanence_app', name);
    end loop;
end
$$;

alter table remanence.conversations add column snapshots text[] not null default '{}';
comment on column remanence.conversations.snapshots is
    'hashes of snapshots that its newest steps named, newest first: a worker does not send them again';

-- Keeps the snapshots that a step names and its conversation did not know.
--
-- p_snapshots: [{hash, kind, body, block_ids}]
-- One that holds a block which was deleted while the step was taken is not kept, and the
-- conversation does not keep the prompt either.
create function remanence.keep_snapshots_v1(p_conversation_id text, p_snapshots jsonb) returns void
language plpgsql
as $$
declare
    conv remanence.conversations;
    is_erased boolean;
begin
    select * into strict conv from remanence.conversations where id = p_conversation_id;
    is_erased := exists (
        select from jsonb_array_elements(p_snapshots) as item,
            jsonb_array_elements_text(item -> 'block_ids') as held (block_id)
        where not exists (select from remanence.blocks where id = held.block_id));
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

-- Commits one step as step_commit_v1 does, with the snapshots that its receipt names.
--
-- p: as of step_commit_v1, and snapshots [{hash, kind, body, block_ids}], only those that are new
create function remanence.step_commit_v2(p jsonb) returns jsonb
language plpgsql
as $$
declare
    answer jsonb := remanence.step_commit_v1(p);
begin
    if p -> 'snapshots' <> '[]' and answer ->> 'outcome' = 'ok' then
        perform remanence.keep_snapshots_v1(p ->> 'conversation_id', p -> 'snapshots');
    end if;
    return answer;
end
$$;

-- Deletes a block, and what holds its words: its versions, the snapshots it is in, and the prompts
-- of conversations that are shown it, which are compiled afresh at their next step.
-- Conversations are locked before the block, as a commit does; so a step that is being committed
-- is either seen here, or sees that the block is gone.
--
-- p: org_id, block_id
-- returns ok | not_found (kind, id)
create function remanence.block_delete_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    wanted text := p ->> 'block_id';
    holders text[];
begin
    perform remanence.enter_org(p ->> 'org_id');
    holders := array(
        select agent_id from remanence.agents_blocks where block_id = wanted
        union select agent_id from remanence.snapshots_blocks where block_id = wanted);
    perform from remanence.conversations
    where agent_id = any(holders) and (lease_token is not null or epoch_seen -> 'seen' ? wanted)
    order by id for update;
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

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
