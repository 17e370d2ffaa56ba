-- Versions of blocks with their authors, and edits that are merged with those of others.
--
-- A version holds all of a block that an agent sees. Who made it, and when, is filled in by a
-- trigger, so that every way of writing one says the same.

alter table remanence.block_versions
    add column label text,          -- these four as the block had them; null: of before they were
    add column description text,    -- kept
    add column "limit" integer,     -- characters
    add column read_only boolean,
    add column author jsonb;        -- see sign_v1; null: step_id says it
comment on column remanence.block_versions.created_at is 'from when this version holds';

create function remanence.sign_block_version_v1() returns trigger
language plpgsql
as $$
declare
    block remanence.blocks;
begin
    select * into block from remanence.blocks where id = new.block_id;
    if new.label is null then
        new.label := block.label;
        new.description := block.description;
        new."limit" := block."limit";
        new.read_only := block.read_only;
    end if;
    new.author := nullif(remanence.author_v1(), '{}');
    new.created_at := remanence.moment_v1((
        select before.created_at from remanence.block_versions as before
        where before.block_id = new.block_id and before.version = new.version - 1));
    return new;
end
$$;
create trigger block_versions_sign before insert on remanence.block_versions
    for each row execute function remanence.sign_block_version_v1();

-- Changes a block, given by its id or by an agent and a label.
--
-- p: org_id, block_id | agent_id and label, set {column: value}; extras are added to;
--    author | null (see sign_v1), only_version | null: if the block still is this version
-- returns ok: block. A change of what an agent sees raises the block's version and is kept.
--    stale: block, as it is
create or replace function remanence.block_update_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    block remanence.blocks;
    wanted remanence.blocks;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform remanence.sign_v1(p -> 'author');
    select * into block from remanence.blocks
    where id = remanence.block_id_v1(p) for update;
    if not found then
        return remanence.missing_block_v1(p);
    end if;
    if block.version <> (p ->> 'only_version')::integer then
        return jsonb_build_object('outcome', 'stale', 'block', to_jsonb(block));
    end if;
    wanted := jsonb_populate_record(block, (p -> 'set') - 'extras');
    wanted.extras := block.extras || coalesce(p -> 'set' -> 'extras', '{}');
    if length(wanted.value) > wanted."limit" then
        return jsonb_build_object(
            'outcome', 'limit', 'what', format('the value of block %L', wanted.label),
            'limit', wanted."limit", 'actual', length(wanted.value));
    end if;
    if (wanted.label, wanted.value, wanted."limit", wanted.description, wanted.read_only)
        is distinct from (block.label, block.value, block."limit", block.description,
            block.read_only)
    then
        wanted.version := block.version + 1;
        insert into remanence.block_versions (
            org_id, block_id, version, value, label, description, "limit", read_only)
        values (
            block.org_id, block.id, wanted.version, wanted.value, wanted.label,
            wanted.description, wanted."limit", wanted.read_only);
    end if;
    if wanted is distinct from block then
        update remanence.blocks
        set label = wanted.label, value = wanted.value, "limit" = wanted."limit",
            description = wanted.description, read_only = wanted.read_only,
            metadata = wanted.metadata, tags = wanted.tags, hidden = wanted.hidden,
            extras = wanted.extras, version = wanted.version, updated_at = clock_timestamp()
        where id = block.id
        returning * into wanted;
        update remanence.agents_blocks set label = wanted.label
        where block_id = block.id and label <> wanted.label;
    end if;
    return jsonb_build_object('outcome', 'ok', 'block', to_jsonb(wanted));
exception
    when unique_violation then
        return jsonb_build_object('outcome', 'conflict', 'message', format(
            'an agent of block %L has another block with the label %L; labels are unique per agent',
            block.id, wanted.label));
end
$$;

-- The id of the block that a call names: by itself, or by an agent and the label it has there.
create function remanence.block_id_v1(p jsonb) returns text
language plpgsql stable
as $$
begin
    return coalesce(p ->> 'block_id', (
        select link.block_id from remanence.agents_blocks as link
        where link.agent_id = p ->> 'agent_id' and link.label = p ->> 'label'));
end
$$;

-- Locks a block that is going to be edited in the same transaction, and reads it, with the
-- versions that the edit is made from. Waiters are served in order, so none loses twice.
--
-- p: org_id, block_id | agent_id and label, versions [number ..],
--    hold_ms (how long it may take until the edit comes)
-- returns outcome: ok (block, versions {number: {label, value, limit, description, read_only}})
--    | not_found (kind, id)
create function remanence.block_lock_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    block remanence.blocks;
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform set_config('idle_in_transaction_session_timeout', p ->> 'hold_ms', true);
    select * into block from remanence.blocks
    where id = remanence.block_id_v1(p) for update;
    if not found then
        return remanence.missing_block_v1(p);
    end if;
    return jsonb_build_object(
        'outcome', 'ok', 'block', to_jsonb(block), 'versions', (
            select coalesce(jsonb_object_agg(past.version, jsonb_build_object(
                'label', coalesce(past.label, block.label), 'value', past.value,
                'limit', coalesce(past."limit", block."limit"),
                'description', case when past.label is null
                    then block.description else past.description end,
                'read_only', coalesce(past.read_only, block.read_only))), '{}')
            from remanence.block_versions as past
            where past.block_id = block.id and past.version in (
                select jsonb_array_elements_text(p -> 'versions')::integer)));
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
