-- Memory as it was: which blocks and archives an agent had, and what they held, at some time.
--
-- What is attached is in agents_blocks and archives_agents; what no longer is, or has moved, is
-- kept by triggers. Deleting an agent, a block or an archive takes its rows here with it.

alter table remanence.agents_blocks
    add column attached_at timestamptz;         -- null: before this was kept
comment on column remanence.archives_agents.created_at is 'from when it is attached';

create table remanence.attachments_past (
    id bigint generated always as identity primary key,
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    block_id text references remanence.blocks (id) on delete cascade,
    archive_id text references remanence.archives (id) on delete cascade,
    position integer,                           -- of a block: its order in the context
    from_at timestamptz,                        -- inclusive; null: before this was kept
    until_at timestamptz not null,              -- exclusive
    created_at timestamptz not null default now(),
    constraint attachments_past_kind_check check (num_nonnulls(block_id, archive_id) = 1)
);
-- what an agent had at some time
create index attachments_past_agent_idx on remanence.attachments_past (agent_id, until_at);
-- the cascades
create index attachments_past_block_idx on remanence.attachments_past (block_id);
create index attachments_past_archive_idx on remanence.attachments_past (archive_id);
alter table remanence.attachments_past enable row level security;
create policy attachments_past_of_org on remanence.attachments_past to remanence_app
    using (org_id = remanence.current_org()) with check (org_id = remanence.current_org());
revoke all on remanence.attachments_past from public;
grant select, insert, update, delete on remanence.attachments_past to remanence_app;

create function remanence.date_attachment_v1() returns trigger
language plpgsql
as $$
begin
    if tg_table_name = 'agents_blocks' then
        new.attached_at := remanence.moment_v1();
    else
        new.created_at := remanence.moment_v1();
    end if;
    return new;
end
$$;
create trigger agents_blocks_date before insert on remanence.agents_blocks
    for each row execute function remanence.date_attachment_v1();
create trigger archives_agents_date before insert on remanence.archives_agents
    for each row execute function remanence.date_attachment_v1();

create function remanence.keep_attached_block_v1() returns trigger
language plpgsql
as $$
declare
    moment timestamptz := remanence.moment_v1(old.attached_at);
begin
    -- of what is being deleted itself nothing is kept
    if exists (select from remanence.agents where id = old.agent_id)
        and exists (select from remanence.blocks where id = old.block_id)
    then
        insert into remanence.attachments_past (
            org_id, agent_id, block_id, position, from_at, until_at)
        values (old.org_id, old.agent_id, old.block_id, old.position, old.attached_at, moment);
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.attached_at := moment;
    return new;
end
$$;
create trigger agents_blocks_keep_moved before update of position on remanence.agents_blocks
    for each row when (old.position <> new.position)
    execute function remanence.keep_attached_block_v1();
create trigger agents_blocks_keep before delete on remanence.agents_blocks
    for each row execute function remanence.keep_attached_block_v1();

create function remanence.keep_attached_archive_v1() returns trigger
language plpgsql
as $$
begin
    if exists (select from remanence.agents where id = old.agent_id)
        and exists (select from remanence.archives where id = old.archive_id)
    then
        insert into remanence.attachments_past (org_id, agent_id, archive_id, from_at, until_at)
        values (
            old.org_id, old.agent_id, old.archive_id, old.created_at,
            remanence.moment_v1(old.created_at));
    end if;
    return old;
end
$$;
create trigger archives_agents_keep before delete on remanence.archives_agents
    for each row execute function remanence.keep_attached_archive_v1();

-- The instant that a call means: `at`, or when the step `step_id` was committed, its own changes
-- included; null when there is no such step.
create function remanence.instant_v1(p jsonb) returns timestamptz
language plpgsql stable
as $$
begin
    if p ->> 'step_id' is null then
        return (p ->> 'at')::timestamptz;
    end if;
    return (select created_at from remanence.steps where id = p ->> 'step_id');
end
$$;

-- A block as it was; null when it was not there yet.
create function remanence.block_at_v1(p_block remanence.blocks, p_at timestamptz) returns jsonb
language plpgsql stable
as $$
begin
    return (
        select to_jsonb(p_block) || jsonb_build_object(
            'value', past.value, 'version', past.version, 'updated_at', past.created_at)
            || case when past.label is null then '{}' else jsonb_build_object(
                'label', past.label, 'description', past.description, 'limit', past."limit",
                'read_only', past.read_only) end
        from remanence.block_versions as past
        where past.block_id = p_block.id and past.created_at <= p_at
        order by past.version desc
        limit 1);
end
$$;

-- Core memory as it was: the blocks of an agent in their order, or one block.
--
-- p: org_id, agent_id | block_id, at | step_id (see instant_v1)
-- returns outcome: ok (blocks [row of blocks]) | not_found (kind, id)
create function remanence.memory_at_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    moment timestamptz;
begin
    perform remanence.enter_org(p ->> 'org_id');
    moment := remanence.instant_v1(p);
    if moment is null then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'step', 'id', p ->> 'step_id');
    end if;
    if p ->> 'agent_id' is not null
        and not exists (select from remanence.agents where id = p ->> 'agent_id')
    then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    return jsonb_build_object('outcome', 'ok', 'blocks', (
        with attached as (
            select link.block_id, link.position from remanence.agents_blocks as link
            where link.agent_id = p ->> 'agent_id'
                and (link.attached_at is null or link.attached_at <= moment)
            union all
            select past.block_id, past.position from remanence.attachments_past as past
            where past.agent_id = p ->> 'agent_id' and past.block_id is not null
                and (past.from_at is null or past.from_at <= moment) and past.until_at > moment
            union all
            select p ->> 'block_id', 0
        )
        select coalesce(jsonb_agg(shown.block order by shown.position), '[]')
        from (
            select attached.position, remanence.block_at_v1(block, moment) as block
            from attached
            join remanence.blocks as block on block.id = attached.block_id) as shown
        where shown.block is not null));
end
$$;

-- Archival memory as it was: a page of what the archives that an agent had then held then, the
-- oldest first.
--
-- p: org_id, agent_id, at | step_id (see instant_v1), after | null (a passage's id),
--    search | null (a part of the text, any case), page_limit
-- returns outcome: ok (passages [row of passages, embedding]) | not_found (kind, id)
create function remanence.passages_at_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    moment timestamptz;
begin
    perform remanence.enter_org(p ->> 'org_id');
    moment := remanence.instant_v1(p);
    if moment is null then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'step', 'id', p ->> 'step_id');
    end if;
    if not exists (select from remanence.agents where id = p ->> 'agent_id') then
        return jsonb_build_object('outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    return jsonb_build_object('outcome', 'ok', 'passages', (
        with attached as (
            select link.archive_id from remanence.archives_agents as link
            where link.agent_id = p ->> 'agent_id' and link.created_at <= moment
            union
            select past.archive_id from remanence.attachments_past as past
            where past.agent_id = p ->> 'agent_id' and past.archive_id is not null
                and past.from_at <= moment and past.until_at > moment
        ),
        held as (
            select remanence.passage_row_v1(passage) as passage
            from attached
            join remanence.passages as passage on passage.archive_id = attached.archive_id
            where passage.updated_at <= moment
            union all
            select past.passage
            from attached
            join remanence.passage_versions as past on past.archive_id = attached.archive_id
            where past.from_at <= moment and past.until_at > moment and past.passage is not null
        ),
        keyed as (
            select held.passage, (held.passage ->> 'created_at')::timestamptz as created_at,
                held.passage ->> 'id' as id
            from held
        ),
        page as (
            select keyed.*
            from keyed
            where (p ->> 'search' is null
                    or position(lower(p ->> 'search') in lower(keyed.passage ->> 'text')) > 0)
                and (p ->> 'after' is null or (keyed.created_at, keyed.id) > (
                    select last.created_at, last.id from keyed as last
                    where last.id = p ->> 'after'))
            order by keyed.created_at, keyed.id
            limit (p ->> 'page_limit')::integer
        )
        select coalesce(jsonb_agg(
            page.passage || jsonb_build_object('embedding', archive.embedding)
            order by page.created_at, page.id), '[]')
        from page
        join remanence.archives as archive on archive.id = page.passage ->> 'archive_id'));
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
