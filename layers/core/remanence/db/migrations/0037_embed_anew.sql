-- Changing the model of vectors without a gap in search. An archive and an agent keep the model that
-- searches use until the schedule has made the vectors of the next one, and then change over at once.
-- The same queue holds archives whose passages were stored while their model did not answer.
--
-- A sweep of the version before cannot keep vectors of messages beside this schema; it says so in its
-- log and goes on, and the next one keeps them.

-- squawk-ignore ban-drop-constraint
alter table remanence.passage_vectors drop constraint passage_vectors_pkey;
alter table remanence.passage_vectors add constraint passage_vectors_pkey
primary key using index passage_vectors_by_model_idx;
-- squawk-ignore ban-drop-constraint
alter table remanence.message_vectors drop constraint message_vectors_pkey;
alter table remanence.message_vectors add constraint message_vectors_pkey
primary key using index message_vectors_by_model_idx;

alter table remanence.archives add column next_embedding text;
alter table remanence.agents add column next_embedding text;
alter table remanence.conversations add column other_vectors_model text;
alter table remanence.conversations add column other_vectors_to_seq bigint not null default 0;
comment on column remanence.archives.next_embedding is
    'Handle that replaces embedding once all passages have its vectors; null: none does.';
comment on column remanence.agents.next_embedding is
    'Handle that replaces embedding once messages have its vectors; null: none does.';
comment on column remanence.conversations.other_vectors_model is
    'As vectors_model, of a second model while the agent changes to it.';
comment on column remanence.conversations.other_vectors_to_seq is
    'As vectors_to_seq, for other_vectors_model.';

-- Archives in which passages lack vectors that they should have.
create table remanence.archive_gaps (
    archive_id text primary key references remanence.archives (id) on delete cascade,
    org_id text not null,
    claim text,
    claimed_until timestamptz,
    cursor_id text,
    refused text [] not null default '{}'
);
comment on table remanence.archive_gaps is 'Archives in which passages may lack vectors.';
comment on column remanence.archive_gaps.archive_id is 'Of the archive; goes with it.';
comment on column remanence.archive_gaps.org_id is 'Whose it is.';
comment on column remanence.archive_gaps.claim is 'Token of the sweep that fills it.';
comment on column remanence.archive_gaps.claimed_until is 'Until then no other sweep does.';
comment on column remanence.archive_gaps.cursor_id is
    'The last passage that was looked at, by created_at and id; null: none yet.';
comment on column remanence.archive_gaps.refused is
    'Passages whose text the model refuses; they go without.';
alter table remanence.archive_gaps enable row level security;
create policy archive_gaps_of_org on remanence.archive_gaps to remanence_app
using (org_id = remanence.current_org()) with check (org_id = remanence.current_org());
revoke all on remanence.archive_gaps from public;
grant select, insert, update, delete on remanence.archive_gaps to remanence_app;
-- What was stored without a vector so far is looked for once.
insert into remanence.archive_gaps (archive_id, org_id)
select archive.id, archive.org_id from remanence.archives as archive
where archive.embedding is not null;

-- Puts an archive into the queue if one of these passages lacks the vector that it should have.
create function remanence.note_gaps_v1(p_archive_id text, p_passage_ids text[]) returns void
language plpgsql
as $$
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

-- As in 0003, with a vector for each model, and a note of what has none.
create or replace function remanence.insert_passages_v1(
    p_org_id text, p_archive_id text, p_step_id text, p_passages jsonb) returns void
language plpgsql
as $$
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

-- As in 0013, with a note if it gets none.
create or replace function remanence.set_vector_v1(p jsonb) returns void
language plpgsql
as $$
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

-- The archives in the queue that nobody fills, over all organizations, which take turns; those that
-- were tried longest ago come first.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.gaps_due_v1(p_limit integer)
returns table (org_id text, archive_id text, model text)
language sql stable security definer
set search_path = ''
as $$
    select gap.org_id, gap.archive_id, coalesce(archive.next_embedding, archive.embedding)
    from remanence.archive_gaps as gap
    join remanence.archives as archive on archive.id = gap.archive_id
    where gap.claimed_until is null or gap.claimed_until < pg_catalog.clock_timestamp()
    order by pg_catalog.row_number() over (
            partition by gap.org_id order by gap.claimed_until nulls first, gap.archive_id),
        gap.claimed_until nulls first
    limit p_limit
$$;

-- The next passages of an archive without a vector of the model: behind the cursor, or any.
create function remanence.missing_vectors_v1(
    p_gap remanence.archive_gaps, p_model text, p_from_start boolean, p_limit integer) returns jsonb
language plpgsql
as $$
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

-- Claims an archive, or goes on with it, and reads what lacks vectors. When nothing does, the
-- archive changes over to its next model, and vectors of others go.
--
-- p: org_id, archive_id, claim (token of this sweep), hold_ms, page_limit
-- returns outcome: ok (model, passages [{id, version, text}]) | none (complete, gone, or another's)
create function remanence.gap_load_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Keeps vectors of passages that are still what they were when they were read. Safe to repeat.
--
-- p: org_id, archive_id, claim, hold_ms (0: lets go of it), model, cursor_id,
--    vectors [{id, version, values}], refused [id]
create function remanence.gap_fill_v1(p jsonb) returns void
language plpgsql
as $$
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

-- Sets the model of an archive's vectors: at once when it has none yet or shall have none, else as
-- the next one. The model in use cancels a change.
create function remanence.move_archive_v1(p_archive_id text, p_handle text) returns void
language plpgsql
as $$
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

-- Changes what a caller sets of an archive.
--
-- p: org_id, archive_id, columns {name, description, embedding}: those given are set
-- returns outcome: ok (archive, see archive_view_v1) | not_found (kind, id)
create function remanence.archive_update_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- As in 0004, with how far a change of the model has come.
create or replace function remanence.archive_view_v1(p_archive remanence.archives) returns jsonb
language sql stable
as $$
    select to_jsonb(p_archive) - 'org_id' || jsonb_build_object(
        'passages', count(passage.id), 'passages_done', count(stored.passage_id))
    from remanence.passages as passage
    left join remanence.passage_vectors as stored
        on stored.passage_id = passage.id and stored.model = p_archive.next_embedding
    where p_archive.next_embedding is not null and passage.archive_id = p_archive.id
$$;

-- As in 0001, made with the model that its agent changes to.
create or replace function remanence.own_archive_v1(
    p_agent remanence.agents, p_new_id text) returns text
language plpgsql
as $$
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

-- Sets the model of an agent's vectors, and of its own archives that have the one it had.
create function remanence.move_agent_v1(p_agent remanence.agents, p_wanted remanence.agents)
returns void
language plpgsql
as $$
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

-- As in 0014; a change of the embedding model takes its own archives along.
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

-- Up to which message a conversation has its vectors of a model; inclusive, 0: none.
create function remanence.vectors_to_seq_v1(p_conv remanence.conversations, p_model text)
returns bigint
language sql immutable
as $$
    select case
        when p_conv.vectors_model = p_model and p_conv.vectors_to_seq < p_conv.next_seq
            then p_conv.vectors_to_seq
        when p_conv.other_vectors_model = p_model and p_conv.other_vectors_to_seq < p_conv.next_seq
            then p_conv.other_vectors_to_seq
        else 0 end  -- another model, or emptied meanwhile: from the beginning
$$;

alter table remanence.conversations add column vectors_claim text;
alter table remanence.conversations add column vectors_claimed_until timestamptz;
comment on column remanence.conversations.vectors_claim is
    'Token of the sweep that makes its vectors.';
comment on column remanence.conversations.vectors_claimed_until is
    'Until then no other sweep does.';

-- As unembedded_v1, of the model in use and of the next one, and without what another sweep holds.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.unembedded_v2(p_limit integer)
returns table (org_id text, conversation_id text, model text)
language sql stable security definer
set search_path = ''
as $$
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

-- Claims a conversation, or goes on with it, and reads the next messages that want a vector.
--
-- p: org_id, conversation_id, model, claim (token of this sweep), hold_ms, page_limit
-- returns outcome: ok (last_seq, messages [{id, seq, text}]) | none (gone, or another's)
create function remanence.unembedded_load_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

-- Keeps vectors of messages, and how far their conversation has them now. What was deleted meanwhile
-- gets none. Safe to repeat.
--
-- p: org_id, conversation_id, model, claim, hold_ms (0: lets go of it), to_seq,
--    vectors [{id, values}]
create function remanence.message_vectors_add_v1(p jsonb) returns void
language plpgsql
as $$
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

-- Agents that change to another model, over all organizations.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.moving_agents_v1(p_limit integer)
returns table (org_id text, agent_id text)
language sql stable security definer
set search_path = ''
as $$
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

-- Lets an agent change over, if every conversation has as many vectors of the next model as it has
-- of the one in use; vectors of others go. What was said since gets its vectors as always.
--
-- p: org_id, agent_id
-- returns outcome: ok | none (not yet)
create function remanence.agent_change_over_v1(p jsonb) returns jsonb
language plpgsql
as $$
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

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
