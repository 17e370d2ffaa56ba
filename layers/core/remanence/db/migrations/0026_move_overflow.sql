-- Nearly full blocks whose oldest, least used lines the sweep moves to archival memory. Opt-in, per
-- agent and label: compaction_settings.archive_blocks.

-- Blocks that the sweep may make smaller, over all organizations: ids only. A block that others see
-- too, or that may not be edited, stays; so does one whose agent could not find what has moved, and
-- one that somebody has just brought back to what it was, until it is edited again.
-- Organizations in turns, and in another order each time: a block may have nothing that can move.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.full_blocks_v1(p_limit integer, p_share real)
returns table (org_id text, agent_id text, block_id text)
language sql stable security definer
set search_path = ''
as $$
    select agent.org_id, agent.id, block.id
    from remanence.agents as agent
    join remanence.agents_blocks as link on link.agent_id = agent.id
    join remanence.blocks as block on block.id = link.block_id
    where agent.compaction_settings -> 'archive_blocks' <> '[]'
        and agent.compaction_settings -> 'archive_blocks' ? link.label
        and pg_catalog.length(block.value) >= block."limit" * p_share
        and not block.read_only
        and not exists (
            select from remanence.agents_blocks as other
            where other.block_id = block.id and other.agent_id <> agent.id)
        and not exists (
            select from remanence.block_versions as newest
            where newest.block_id = block.id and newest.version = block.version
                and newest.author ? 'undoes')
        and not exists (
            select from remanence.blocks_identities as other where other.block_id = block.id)
        and exists (
            select from remanence.agents_tools as held
            join remanence.tools as tool on tool.id = held.tool_id
            where held.agent_id = agent.id and tool.name = 'archival_memory_search')
    order by pg_catalog.row_number() over (
            partition by agent.org_id order by pg_catalog.random()),
        pg_catalog.random()
    limit p_limit
$$;

-- Which version of a block brought each line of its value; lines that are older than the newest
-- 200 versions are left out.
create function remanence.line_ages_v1(p_block_id text) returns jsonb
language sql stable
as $$
    with kept as (
        select past.version, past.value
        from remanence.block_versions as past
        where past.block_id = p_block_id
        order by past.version desc
        limit 200
    ), lines as (
        select line, min(kept.version) as version
        from kept cross join unnest(string_to_array(kept.value, E'\n')) as line
        group by line
    )
    select coalesce(jsonb_object_agg(lines.line, lines.version), '{}')
    from lines
    where lines.version > (select min(kept.version) from kept)
        and lines.line in (
            select unnest(string_to_array(block.value, E'\n'))
            from remanence.blocks as block where block.id = p_block_id)
$$;

-- Makes a block smaller and keeps what went, both or neither.
--
-- What the archive has of this block already, word for word, is not stored again.
--
-- p: org_id, agent_id, block_id, version (that the value was made from), value,
--    passages (see insert_passages_v1), new_archive_id
-- returns outcome: ok | stale (the block has changed, is gone, or is no longer the agent's alone)
create function remanence.lines_move_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    holder remanence.agents;
    block remanence.blocks;
    answer jsonb;
    own text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into block from remanence.blocks where id = p ->> 'block_id' for update;
    if not found or block.read_only
        or array(select link.agent_id from remanence.agents_blocks as link
            where link.block_id = block.id) <> array[p ->> 'agent_id']
    then
        return '{"outcome": "stale"}';
    end if;
    answer := remanence.block_update_v1(jsonb_build_object(
        'org_id', p ->> 'org_id', 'block_id', block.id, 'author', '{"origin": "sweep"}'::jsonb,
        'only_version', p -> 'version', 'set', jsonb_build_object('value', p -> 'value')));
    if answer ->> 'outcome' <> 'ok' then
        return '{"outcome": "stale"}';
    end if;
    -- the lock keeps two first insertions from making two archives
    select * into strict holder from remanence.agents
    where id = p ->> 'agent_id' for no key update;
    own := remanence.own_archive_v1(holder, p ->> 'new_archive_id');
    perform remanence.insert_passages_v1(holder.org_id, own, null, (
        select coalesce(jsonb_agg(moved.item || jsonb_build_object(
            'metadata', jsonb_build_object('moved_from', jsonb_build_object(
                'block_id', block.id, 'label', block.label, 'version', block.version)))), '[]')
        from (
            select distinct on (item ->> 'text') item
            from jsonb_array_elements(p -> 'passages') as item
        ) as moved
        where not exists (
            select from remanence.passages as kept
            where kept.archive_id = own and kept.text = moved.item ->> 'text'
                and kept.metadata -> 'moved_from' ->> 'block_id' = block.id)));
    return '{"outcome": "ok"}';
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
