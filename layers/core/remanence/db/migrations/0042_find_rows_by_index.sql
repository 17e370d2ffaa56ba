-- What is written by a list of ids finds its rows by their index, however large the table is.
--
-- Row-level security lets nothing be compared with a row before its own rule, unless the comparison
-- can tell nobody of the row (a leakproof one); `->>` might. So `passage.id = item ->> 'id'` reads
-- the whole table, and a typed column, as jsonb_to_recordset gives it, an index. The functions are
-- as they were in everything else.

-- As in 0005.
create or replace function remanence.passages_add_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    agent remanence.agents;
    own text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    -- the lock keeps two first insertions from making two archives
    select * into agent from remanence.agents
    where id = p ->> 'agent_id' for no key update;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    own := remanence.own_archive_v1(agent, p ->> 'new_archive_id');
    perform remanence.insert_passages_v1(agent.org_id, own, null, p -> 'passages');
    return jsonb_build_object(
        'outcome', 'ok',
        'passages', (
            select jsonb_agg(
                to_jsonb(passage) - 'lexemes' || jsonb_build_object('embedding', archive.embedding)
                order by items.place)
            from rows from (jsonb_to_recordset(p -> 'passages') as (id text)) with ordinality
                as items (id, place)
            join remanence.passages as passage on passage.id = items.id
            join remanence.archives as archive on archive.id = passage.archive_id));
end
$$;

-- As in 0006.
create or replace function remanence.archive_fill_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    archive remanence.archives;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into archive from remanence.archives
    where id = p ->> 'archive_id' for key share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'archive', 'id', p ->> 'archive_id');
    end if;
    perform remanence.insert_passages_v1(archive.org_id, archive.id, null, p -> 'passages');
    return jsonb_build_object(
        'outcome', 'ok',
        'passages', (
            select coalesce(jsonb_agg(
                to_jsonb(passage) - 'lexemes' || jsonb_build_object('embedding', archive.embedding)
                order by items.place), '[]')
            from rows from (jsonb_to_recordset(p -> 'passages') as (id text)) with ordinality
                as items (id, place)
            join remanence.passages as passage on passage.id = items.id));
end
$$;

-- As in 0003.
create or replace function remanence.write_blocks_v1(
    p_org_id text, p_agent_id text, p_step_id text, p_blocks jsonb) returns boolean
language plpgsql
as $$
declare
    stale boolean;
begin
    perform from remanence.blocks
    where id = any(array(
        select edit ->> 'id' from jsonb_array_elements(p_blocks -> 'edited') as edit))
    order by id for update;
    select bool_or(block.id is null or block.version <> edit.base_version)
    into stale
    from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, base_version integer)
    left join (
        remanence.blocks as block
        join remanence.agents_blocks as link
            on link.block_id = block.id and link.agent_id = p_agent_id)
        on block.id = edit.id;
    if stale or exists (
        select from jsonb_to_recordset(p_blocks -> 'created') as made (label text)
        join remanence.agents_blocks as link
            on link.agent_id = p_agent_id and link.label = made.label
        where not p_blocks -> 'detached' ? link.block_id
            and not exists (  -- renamed away by the same step
                select from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, label text)
                where edit.id = link.block_id and edit.label <> link.label))
    then
        return false;
    end if;

    -- a shared block is renamed for all agents that have it: each must have the label free
    if exists (
        select from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, label text)
        join remanence.agents_blocks as renamed
            on renamed.block_id = edit.id and renamed.label <> edit.label
            and renamed.agent_id <> p_agent_id
        join remanence.agents_blocks as taken
            on taken.agent_id = renamed.agent_id and taken.label = edit.label)
    then
        raise unique_violation using message =
            'another agent that shares the renamed block has a block with that label';
    end if;

    begin
        -- labels may change hands within a step: they are compared when all have moved
        set constraints remanence.agents_blocks_label_unique deferred;
        delete from remanence.agents_blocks
        where agent_id = p_agent_id
            and block_id in (select jsonb_array_elements_text(p_blocks -> 'detached'));
        update remanence.blocks as block
        set value = edit.value, label = edit.label, description = edit.description,
            version = block.version + 1, updated_at = clock_timestamp()
        from jsonb_to_recordset(p_blocks -> 'edited')
            as edit (id text, label text, value text, description text)
        where block.id = edit.id;
        update remanence.agents_blocks as link
        set label = edit.label
        from jsonb_to_recordset(p_blocks -> 'edited') as edit (id text, label text)
        where link.block_id = edit.id and link.label <> edit.label;
        insert into remanence.blocks (id, org_id, label, value, "limit", description)
        select made ->> 'id', p_org_id, made ->> 'label', made ->> 'value',
            (made ->> 'limit')::integer, made ->> 'description'
        from jsonb_array_elements(p_blocks -> 'created') as made;
        insert into remanence.agents_blocks (org_id, agent_id, block_id, label, position)
        select p_org_id, p_agent_id, made ->> 'id', made ->> 'label',
            place + coalesce((
                select max(position) from remanence.agents_blocks where agent_id = p_agent_id), 0)
        from jsonb_array_elements(p_blocks -> 'created') with ordinality as items (made, place);
        insert into remanence.block_versions (
            org_id, block_id, version, value, step_id, tool_call_id)
        select p_org_id, change ->> 'id', coalesce((change ->> 'base_version')::integer, 0) + 1,
            change ->> 'value', p_step_id, change ->> 'tool_call_id'
        from jsonb_array_elements(p_blocks -> 'edited' || (p_blocks -> 'created')) as change;
        set constraints remanence.agents_blocks_label_unique immediate;
    exception
        when unique_violation then  -- a block with that label was attached at this moment
            return false;
    end;
    return true;
end
$$;

-- As in 0023.
create or replace function remanence.write_facts_v1(
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
    set metadata = passage.metadata || changed.metadata
    from jsonb_to_recordset(p -> 'changed') as changed (id text, metadata jsonb)
    where passage.id = changed.id;
    update remanence.passages as passage
    set metadata = jsonb_set(passage.metadata, '{fact,source_message_ids}',
        remanence.fact_source_ids_v1(passage.id))
    from jsonb_to_recordset(facts) as fact (id text)
    where passage.id = fact.id
        and passage.metadata #> '{fact,source_message_ids}'
            <> remanence.fact_source_ids_v1(passage.id);
    return true;
end
$$;

-- As in 0015. A subquery for each id, because the planner takes two lists for ten thousand ids, for
-- which it would read all blocks.
create or replace function remanence.keep_snapshots_v1(
    p_conversation_id text, p_snapshots jsonb) returns void
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
        where (select block.id from remanence.blocks as block where block.id = held.block_id) is null);
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
