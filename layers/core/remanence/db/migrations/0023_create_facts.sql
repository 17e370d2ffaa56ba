-- Facts that the sweep reads out of compacted history, as passages with a time of validity and the
-- messages they come from. Opt-in, per agent: compaction_settings.archive_facts.

alter table remanence.passages add column valid_from timestamptz;
alter table remanence.passages add column valid_to timestamptz;
comment on column remanence.passages.valid_from is 'inclusive; null: as long as anybody knows';
comment on column remanence.passages.valid_to is 'exclusive; null: it still holds';
alter table remanence.archives add column facts_version bigint not null default 0;
comment on column remanence.archives.facts_version is
    'grows with every change of its facts: what a merge was computed from is compared with it';

-- What is known of a passage that holds a fact; its text and its time are the passage's.
create table remanence.facts (
    passage_id text primary key references remanence.passages (id) on delete cascade,
    org_id text not null,
    agent_id text not null,                     -- whose history it was read from
    archive_id text not null,
    kind text not null,
    key text,                                   -- what it is about; null: a newer one ends nothing
    gist text not null,                         -- digest of its words: the same fact, the same gist
    entities text[] not null,
    trust text not null,                        -- the lowest of its sources'
    said_at timestamptz not null,
    created_at timestamptz not null default now(),
    constraint facts_trust_check check (trust in ('high', 'medium', 'low'))
);
-- the facts that a new one may be the same as, or contradict
create index facts_gist_idx on remanence.facts (archive_id, gist);
create index facts_key_idx on remanence.facts (archive_id, key) where key is not null;

-- Where a fact comes from. A message that is deleted takes its rows with it.
create table remanence.fact_sources (
    org_id text not null,
    passage_id text not null references remanence.facts (passage_id) on delete cascade,
    message_id text not null references remanence.messages (id) on delete cascade,
    place bigint not null generated always as identity,  -- in which order they were found
    created_at timestamptz not null default now(),
    primary key (passage_id, message_id)
);
-- the facts of a message that is deleted
create index fact_sources_message_idx on remanence.fact_sources (message_id);

-- How far the facts of a conversation have been read out.
create table remanence.fact_progress (
    conversation_id text primary key references remanence.conversations (id) on delete cascade,
    org_id text not null,
    through_seq bigint not null,                -- inclusive
    attempts integer not null default 0,        -- claims since it last moved
    claimed_until timestamptz,                  -- nobody else reads on before
    created_at timestamptz not null default now()
);

do $$
declare
    name text;
begin
    foreach name in array array['facts', 'fact_sources', 'fact_progress'] loop
        execute format('alter table remanence.%I enable row level security', name);
        execute format(
            'create policy %I on remanence.%I to remanence_app
             using (org_id = remanence.current_org())
             with check (org_id = remanence.current_org())', name || '_of_org', name);
        execute format('revoke all on remanence.%I from public', name);
        execute format(
            'grant select, insert, update, delete on remanence.%I to remanence_app', name);
    end loop;
end
$$;

-- The metadata of a passage names the messages of its fact: those that are left.
create function remanence.forget_source_v1() returns trigger
language plpgsql
as $$
begin
    update remanence.passages as passage
    set metadata = jsonb_set(passage.metadata, '{fact,source_message_ids}',
        remanence.fact_source_ids_v1(passage.id))
    where passage.id = old.passage_id and passage.metadata ? 'fact';
    return null;
end
$$;

create function remanence.fact_source_ids_v1(p_passage_id text) returns jsonb
language sql stable
as $$
    select coalesce(jsonb_agg(source.message_id order by source.place), '[]')
    from remanence.fact_sources as source
    where source.passage_id = p_passage_id
$$;

create trigger fact_sources_forget after delete on remanence.fact_sources
    for each row execute function remanence.forget_source_v1();

-- The time of a fact as its metadata says it; null when it says none that can be read.
create function remanence.fact_instant_v1(p_metadata jsonb, p_name text) returns timestamptz
language plpgsql stable
as $$
begin
    return (p_metadata #>> array['fact', p_name])::timestamptz;
exception
    when data_exception then
        return null;
end
$$;

-- Keeps the time by which searches choose as it is told to callers, whoever writes the passage.
create function remanence.time_fact_v1() returns trigger
language plpgsql
as $$
begin
    new.valid_from := remanence.fact_instant_v1(new.metadata, 'valid_from');
    new.valid_to := remanence.fact_instant_v1(new.metadata, 'valid_to');
    return new;
end
$$;

create trigger passages_time before insert or update on remanence.passages
    for each row
    when (new.metadata ? 'fact' or new.valid_from is not null or new.valid_to is not null)
    execute function remanence.time_fact_v1();

-- Conversations whose compacted history has not been read out, over all organizations: ids only.
-- Agents of every organization in turns, as in sweep_v1.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.facts_due_v1(p_limit integer)
returns table (org_id text, conversation_id text)
language sql stable security definer
set search_path = ''
as $$
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

-- Takes on the next span of a conversation: compacted, not read out, at most a share of the window
-- of its agent. What a fork or an import brought along was said elsewhere, and is passed over.
--
-- p: org_id, conversation_id, hold_ms, share (of the context window), most_attempts
-- returns outcome: ok (base_seq, through_seq, messages [row]) | none
create function remanence.facts_claim_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Writes what a span did to the facts of its agent, whole or not at all.
--
-- p: org_id, conversation_id, base_seq, through_seq, archive_id | null, facts_version (of it, as
--    the merge saw it), new_archive_id, created [fact], changed [fact]
--    fact: {id, text, created_at, embedding, embedding_model, tags, metadata, kind, key, gist,
--    entities, trust, said_at, source_ids}; its time is in its metadata
-- returns outcome: ok | done (somebody else wrote this span) | stale (the facts have changed)
create function remanence.facts_commit_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- The rows of facts_commit_v1; false, with nothing written, when a passage is there no longer.
create function remanence.write_facts_v1(
    p_agent remanence.agents, p_archive_id text, p jsonb) returns boolean
language plpgsql
as $$
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
    set metadata = passage.metadata || (item -> 'metadata')
    from jsonb_array_elements(p -> 'changed') as item
    where passage.id = item ->> 'id';
    update remanence.passages as passage
    set metadata = jsonb_set(passage.metadata, '{fact,source_message_ids}',
        remanence.fact_source_ids_v1(passage.id))
    from jsonb_array_elements(facts) as item
    where passage.id = item ->> 'id'
        and passage.metadata #> '{fact,source_message_ids}'
            <> remanence.fact_source_ids_v1(passage.id);
    return true;
end
$$;

-- As in 0021, and the facts of what is said from now on are read out from its beginning.
create or replace function remanence.messages_reset_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
