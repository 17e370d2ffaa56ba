-- Taking back all that a step or a run changed in memory, blocks and passages together.

alter table remanence.attachments_past add column step_id text;
comment on column remanence.attachments_past.step_id is
    'the step that detached it; null: another way, or before this was kept';

-- As in 0025, and what a step has detached says so.
create or replace function remanence.share_moment_v1() returns trigger
language plpgsql
as $$
declare
    moment timestamptz := nullif(current_setting('remanence.moment', true), '')::timestamptz;
begin
    -- one that was taken already belongs to blocks of the same step, and lies before it; a row
    -- that is older than this transaction was copied
    if moment is null and new.created_at >= now() then
        perform set_config('remanence.moment', new.created_at::text, true);
    end if;
    update remanence.attachments_past set step_id = new.id
    where agent_id = new.agent_id and until_at = moment and block_id is not null;
    return new;
end
$$;

-- What an agent sees of a block as it was in a version; null before the first.
create function remanence.block_fields_v1(p_block remanence.blocks, p_version integer)
returns jsonb
language sql stable
as $$
    select jsonb_build_object(
        'label', coalesce(past.label, p_block.label), 'value', past.value,
        'limit', coalesce(past."limit", p_block."limit"),
        'description', case when past.label is null
            then p_block.description else past.description end,
        'read_only', coalesce(past.read_only, p_block.read_only))
    from remanence.block_versions as past
    where past.block_id = p_block.id and past.version = p_version
$$;

-- What a step, or a run with all its steps, changed in memory. What was deleted since with its
-- versions is not in it.
--
-- p: org_id, step_id | run_id
-- returns outcome: ok (agent_id,
--    blocks [{id, version, now, is_attached, made [{version, before | null, after}], newest first}]:
--    what agents see of them now, before and after each change;
--    detached [block_id ..] that are not attached now;
--    passages [{id, version, embedding, now | null, made [{version, before | null, after | null}]}])
--    | not_found (kind, id) | conflict (message): the run is not over
create function remanence.step_changes_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    run remanence.runs;
    owner_id text;
    step_ids text[];
begin
    perform remanence.enter_org(p ->> 'org_id');
    if p ->> 'run_id' is null then
        select agent_id, array[id] into owner_id, step_ids
        from remanence.steps where id = p ->> 'step_id';
    else
        select * into run from remanence.runs where id = p ->> 'run_id';
        if run.status in ('created', 'running') then
            return jsonb_build_object('outcome', 'conflict', 'message', format(
                'run %L is not over: cancel it or wait, then undo it', run.id));
        end if;
        owner_id := run.agent_id;
        step_ids := array(select id from remanence.steps where run_id = run.id);
    end if;
    if owner_id is null then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', case when p ->> 'run_id' is null then 'step'
                else 'run' end, 'id', coalesce(p ->> 'run_id', p ->> 'step_id'));
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'agent_id', owner_id,
        'blocks', remanence.changed_blocks_v1(owner_id, step_ids),
        'detached', (
            select coalesce(jsonb_agg(distinct past.block_id), '[]')
            from remanence.attachments_past as past
            where past.agent_id = owner_id and past.step_id = any (step_ids)
                and not exists (
                    select from remanence.agents_blocks as link
                    where link.agent_id = owner_id and link.block_id = past.block_id)),
        'passages', remanence.changed_passages_v1(step_ids));
end
$$;

-- The blocks of step_changes_v1: those the agent has, or had.
create function remanence.changed_blocks_v1(p_agent_id text, p_step_ids text[]) returns jsonb
language sql stable
as $$
    with held as (
        select link.block_id, true as is_attached from remanence.agents_blocks as link
        where link.agent_id = p_agent_id
        union
        select past.block_id, false from remanence.attachments_past as past
        where past.agent_id = p_agent_id and past.block_id is not null
    ),
    changed as (
        select block.id, bool_or(held.is_attached) as is_attached
        from held
        join remanence.blocks as block on block.id = held.block_id
        where exists (
            select from remanence.block_versions as made
            where made.block_id = held.block_id and made.step_id = any (p_step_ids))
        group by block.id
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', block.id, 'version', block.version, 'is_attached', changed.is_attached,
        'now', remanence.block_fields_v1(block, block.version),
        'made', (
            select jsonb_agg(jsonb_build_object(
                'version', made.version,
                'before', remanence.block_fields_v1(block, made.version - 1),
                'after', remanence.block_fields_v1(block, made.version))
                order by made.version desc)
            from remanence.block_versions as made
            where made.block_id = block.id and made.step_id = any (p_step_ids)))
        order by block.id), '[]')
    from changed
    join remanence.blocks as block on block.id = changed.id
$$;

-- The passages of step_changes_v1.
create function remanence.changed_passages_v1(p_step_ids text[]) returns jsonb
language sql stable
as $$
    with made as (
        select passage.id, passage.version from remanence.passages as passage
        where passage.step_id = any (p_step_ids)
        union all
        select past.passage_id, past.version from remanence.passage_versions as past
        where past.step_id = any (p_step_ids)
    ),
    changed as (
        select made.id, remanence.passage_state_v1(made.id) as state,
            jsonb_agg(jsonb_build_object(
                'version', made.version,
                'before', remanence.passage_at_v1(made.id, made.version - 1),
                'after', remanence.passage_at_v1(made.id, made.version))
                order by made.version desc) as made
        from made
        group by made.id
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', changed.id, 'version', changed.state -> 'version',
        'embedding', changed.state -> 'embedding', 'now', changed.state -> 'passage',
        'made', changed.made) order by changed.id), '[]')
    from changed
$$;

-- Writes what undoes changes, all of it or nothing.
--
-- Locks are taken in the order of every commit: blocks by id, then the agent, then passages.
--
-- p: org_id, agent_id, block_versions {id: version} and passages as they were read;
--    detach, attach [block_id ..], blocks [of block_update_v1: block_id, set, author],
--    passages [of passage_write_v1], in this order
-- returns outcome: ok | stale: something is no longer what was read | not_found | conflict | limit
create function remanence.changes_undo_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform from remanence.blocks
    where id in (select jsonb_object_keys(p -> 'block_versions')) order by id for update;
    if exists (
        select from jsonb_each_text(p -> 'block_versions') as read
        left join remanence.blocks as block on block.id = read.key
        where block.version is distinct from read.value::integer)
    then
        return '{"outcome": "stale"}';
    end if;
    perform remanence.all_ok_v1(remanence.block_link_v1(
        p || jsonb_build_object('block_id', block_id, 'attach', false)))
    from jsonb_array_elements_text(p -> 'detach') as block_id;
    perform remanence.all_ok_v1(remanence.block_update_v1(
        edit || jsonb_build_object('org_id', p -> 'org_id')))
    from jsonb_array_elements(p -> 'blocks') as edit;
    perform remanence.all_ok_v1(remanence.block_link_v1(
        p || jsonb_build_object('block_id', block_id, 'attach', true)))
    from jsonb_array_elements_text(p -> 'attach') as block_id;
    perform remanence.all_ok_v1(remanence.passage_write_v1(
        edit || jsonb_build_object('org_id', p -> 'org_id')))
    from jsonb_array_elements(p -> 'passages') as edit;
    return '{"outcome": "ok"}';
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

-- Refuses with an answer that is not ok, so that all is undone that came before it.
create function remanence.all_ok_v1(p_answer jsonb) returns void
language plpgsql
as $$
begin
    if p_answer ->> 'outcome' <> 'ok' then
        perform remanence.refuse_v1(p_answer);
    end if;
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
