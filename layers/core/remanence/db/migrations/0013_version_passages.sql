-- Versions of passages: what a passage was before each change, and who made the change.
--
-- The newest version of a passage is its row. The ones before are kept by a trigger, so that no
-- way of changing a passage can forget it, and searches never meet them. That a passage was
-- deleted is a version too; made again under its id it goes on counting.

-- Says who makes the changes of this transaction.
-- p_author: {origin: step | api | sweep, step_id, tool_call_id, actor, undoes}, what is known of it
create function remanence.sign_v1(p_author jsonb) returns void
language plpgsql
as $$
begin
    perform set_config('remanence.author', coalesce(p_author, '{}')::text, true);
end
$$;

-- Who makes them; {} when nobody has said.
create function remanence.author_v1() returns jsonb
language plpgsql stable
as $$
begin
    return coalesce(nullif(current_setting('remanence.author', true), ''), '{}')::jsonb;
end
$$;

-- When they are made: one instant for all of a transaction, so that no moment of the past shows
-- half of it. It is taken where it is first asked for, which is after the locks that order
-- changes of one thing; p_after is the instant of the version before, which comes first even if
-- the clock went back.
create function remanence.moment_v1(p_after timestamptz default null) returns timestamptz
language plpgsql
as $$
declare
    moment timestamptz := nullif(current_setting('remanence.moment', true), '')::timestamptz;
begin
    if moment is null then
        moment := greatest(clock_timestamp(), p_after + interval '1 microsecond');
        perform set_config('remanence.moment', moment::text, true);
    end if;
    return greatest(moment, p_after + interval '1 microsecond');
end
$$;

alter table remanence.passages
    add column version integer not null default 1,  -- grows with every change of the row
    add column author jsonb;                        -- who made this version; null: step_id says it
comment on column remanence.passages.updated_at is 'from when this version holds';
comment on column remanence.passages.step_id is 'the step that made this version; null: no step';

create table remanence.passage_versions (
    org_id text not null,
    archive_id text not null references remanence.archives (id) on delete cascade,
    passage_id text not null,
    version integer not null,                   -- from 1, without gaps
    passage jsonb,                              -- row of passages; null: it was deleted
    step_id text,                               -- the step that made it; null: no step
    tool_call_id text,
    author jsonb,                               -- see sign_v1; null: step_id says it
    from_at timestamptz not null,               -- inclusive
    until_at timestamptz,                       -- exclusive; null: of a deletion
    created_at timestamptz not null default now(),
    primary key (passage_id, version),
    constraint passage_versions_until_check check ((until_at is null) = (passage is null))
);
-- what an archive held at some time
create index passage_versions_archive_idx
    on remanence.passage_versions (archive_id, from_at, passage_id);
alter table remanence.passage_versions enable row level security;
create policy passage_versions_of_org on remanence.passage_versions to remanence_app
    using (org_id = remanence.current_org()) with check (org_id = remanence.current_org());
revoke all on remanence.passage_versions from public;
grant select, insert, update, delete on remanence.passage_versions to remanence_app;

-- A row of passages without what is derived from it.
create function remanence.passage_row_v1(p_passage remanence.passages) returns jsonb
language plpgsql immutable
as $$
begin
    return to_jsonb(p_passage) - 'lexemes';
end
$$;

create function remanence.number_passage_v1() returns trigger
language plpgsql
as $$
begin
    new.version := 1 + coalesce((
        select max(version) from remanence.passage_versions where passage_id = new.id), 0);
    new.author := nullif(remanence.author_v1(), '{}');
    new.updated_at := remanence.moment_v1();
    return new;
end
$$;

create function remanence.keep_passage_v1() returns trigger
language plpgsql
as $$
declare
    author jsonb := remanence.author_v1();
    moment timestamptz := remanence.moment_v1(old.updated_at);
    noted text[] := '{version, author, step_id, tool_call_id, updated_at}';
begin
    if tg_op = 'UPDATE'
        and remanence.passage_row_v1(new) - noted = remanence.passage_row_v1(old) - noted
    then
        return new;
    end if;
    -- of an archive that is being deleted nothing is kept
    if exists (select from remanence.archives where id = old.archive_id) then
        insert into remanence.passage_versions (
            org_id, archive_id, passage_id, version, passage, step_id, tool_call_id, author,
            from_at, until_at)
        values (
            old.org_id, old.archive_id, old.id, old.version, remanence.passage_row_v1(old),
            old.step_id, old.tool_call_id, old.author, old.updated_at, moment);
        if tg_op = 'DELETE' then
            insert into remanence.passage_versions (
                org_id, archive_id, passage_id, version, step_id, tool_call_id, author, from_at)
            values (
                old.org_id, old.archive_id, old.id, old.version + 1, author ->> 'step_id',
                author ->> 'tool_call_id', nullif(author, '{}'), moment);
        end if;
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.step_id := author ->> 'step_id';
    new.tool_call_id := author ->> 'tool_call_id';
    new.author := nullif(author, '{}');
    new.updated_at := moment;
    return new;
end
$$;

create trigger passages_number before insert on remanence.passages
    for each row execute function remanence.number_passage_v1();
create trigger passages_keep before update or delete on remanence.passages
    for each row execute function remanence.keep_passage_v1();

-- A passage as it is and its archive's embedding, or why there is none. `at` is the version of
-- a passage that was deleted.
create function remanence.passage_state_v1(p_passage_id text) returns jsonb
language plpgsql
as $$
begin
    return coalesce(
        (select jsonb_build_object(
            'outcome', 'ok', 'version', passage.version, 'embedding', archive.embedding,
            'passage', remanence.passage_row_v1(passage)
                || jsonb_build_object('embedding', archive.embedding))
        from remanence.passages as passage
        join remanence.archives as archive on archive.id = passage.archive_id
        where passage.id = p_passage_id),
        (select jsonb_build_object(
            'outcome', 'ok', 'version', past.version, 'embedding', archive.embedding,
            'passage', null)
        from remanence.passage_versions as past
        join remanence.archives as archive on archive.id = past.archive_id
        where past.passage_id = p_passage_id
        order by past.version desc limit 1),
        jsonb_build_object('outcome', 'not_found', 'kind', 'passage', 'id', p_passage_id));
end
$$;

-- What a passage was in a version: row of passages, or null when it was deleted then.
-- There is none before the first.
create function remanence.passage_at_v1(p_passage_id text, p_version integer) returns jsonb
language plpgsql
as $$
begin
    return coalesce(
        (select past.passage from remanence.passage_versions as past
        where past.passage_id = p_passage_id and past.version = p_version),
        (select remanence.passage_row_v1(passage) from remanence.passages as passage
        where passage.id = p_passage_id and passage.version = p_version));
end
$$;

-- What it takes to undo a version: what it made of what, and what has become of that.
--
-- p: org_id, passage_id, version | null (the newest)
-- returns outcome: ok (version, embedding, passage | null: as it is; undone: the version to undo;
--    before, after: row of passages | null) | not_found (kind, id)
create function remanence.passage_undo_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    state jsonb;
    undone integer;
begin
    perform remanence.enter_org(p ->> 'org_id');
    state := remanence.passage_state_v1(p ->> 'passage_id');
    undone := coalesce((p ->> 'version')::integer, (state ->> 'version')::integer);
    if state ->> 'outcome' = 'ok' and undone > (state ->> 'version')::integer then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'version', 'id', undone::text);
    end if;
    return state || jsonb_build_object(
        'undone', undone,
        'before', remanence.passage_at_v1(p ->> 'passage_id', undone - 1),
        'after', remanence.passage_at_v1(p ->> 'passage_id', undone));
end
$$;

-- Makes a passage what it is to be, if it still is what the caller has read.
--
-- p: org_id, author (see sign_v1), passage_id, base_version (of what was read),
--    passage {row of passages: text, tags, metadata, created_at; archive_id, which is read for
--    one that was deleted} | null: there shall be none,
--    embedding, embedding_model | null: its vector; keep_vector: it has the right one
-- returns outcome: ok (version, passage | null) | stale | not_found (kind, id)
create function remanence.passage_write_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    wanted remanence.passages := jsonb_populate_record(
        null::remanence.passages, nullif(p -> 'passage', 'null'));
    state jsonb;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1(p -> 'author');
    perform from remanence.passages where id = p ->> 'passage_id' for update;
    state := remanence.passage_state_v1(p ->> 'passage_id');
    if state ->> 'outcome' <> 'ok' then
        return state;
    end if;
    if (state ->> 'version')::integer <> (p ->> 'base_version')::integer then
        return '{"outcome": "stale"}';
    end if;
    if jsonb_typeof(p -> 'passage') <> 'object' then
        delete from remanence.passages where id = p ->> 'passage_id';
    elsif state -> 'passage' <> 'null' then
        update remanence.passages
        set text = wanted.text, tags = wanted.tags, metadata = wanted.metadata,
            created_at = wanted.created_at
        where id = p ->> 'passage_id';
    else
        insert into remanence.passages (
            id, org_id, archive_id, text, tags, metadata, created_at)
        values (
            p ->> 'passage_id', p ->> 'org_id', wanted.archive_id, wanted.text, wanted.tags,
            wanted.metadata, wanted.created_at)
        on conflict (id) do nothing;
        if not found then
            return '{"outcome": "stale"}';
        end if;
    end if;
    if not (p ->> 'keep_vector')::boolean then
        perform remanence.set_vector_v1(p);
    end if;
    return remanence.passage_state_v1(p ->> 'passage_id');
end
$$;

-- Gives a passage the vector in p (see passage_write_v1), or none.
create function remanence.set_vector_v1(p jsonb) returns void
language plpgsql
as $$
begin
    delete from remanence.passage_vectors where passage_id = p ->> 'passage_id';
    if jsonb_typeof(p -> 'embedding') <> 'array' then
        return;
    end if;
    insert into remanence.passage_vectors (
        passage_id, org_id, archive_id, model, dimensions, embedding)
    select passage.id, passage.org_id, passage.archive_id, p ->> 'embedding_model',
        jsonb_array_length(p -> 'embedding'),
        remanence.to_halfvec(array(
            select value::real from jsonb_array_elements_text(p -> 'embedding') as value))
    from remanence.passages as passage
    where passage.id = p ->> 'passage_id';
end
$$;

-- Deletes a passage, wherever it is or only from an archive or an agent's archives. Searches
-- find it no more; its versions stay, unless they are to be erased too.
--
-- p: org_id, author (see sign_v1), passage_id, archive_id | null, agent_id | null, erase
-- returns outcome: ok | not_found (kind, id)
create function remanence.passage_delete_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    archive_ids text[];
    is_there boolean;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1(p -> 'author');
    archive_ids := array(
        select archive_id from remanence.passages where id = p ->> 'passage_id'
        union
        select archive_id from remanence.passage_versions where passage_id = p ->> 'passage_id');
    archive_ids := array(
        select home.id from unnest(archive_ids) as home (id)
        where home.id = coalesce(p ->> 'archive_id', home.id)
            and (p ->> 'agent_id' is null or exists (
                select from remanence.archives_agents as link
                where link.archive_id = home.id and link.agent_id = p ->> 'agent_id')));
    delete from remanence.passages
    where id = p ->> 'passage_id' and archive_id = any (archive_ids);
    is_there := found;
    if (p ->> 'erase')::boolean then
        delete from remanence.passage_versions
        where passage_id = p ->> 'passage_id' and archive_id = any (archive_ids);
        is_there := is_there or found;
    end if;
    if not is_there then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'passage', 'id', p ->> 'passage_id');
    end if;
    return '{"outcome": "ok"}';
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
