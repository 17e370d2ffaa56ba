-- As in 0015, and what an agent was told of the block, when others had changed it, goes too. Such a
-- note may tell of other blocks as well: the prompt is compiled afresh, and shows them.
create or replace function remanence.block_delete_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    wanted text := p ->> 'block_id';
    labels text[];
    holders text[];
begin
    perform remanence.enter_org(p ->> 'org_id');
    holders := array(
        select agent_id from remanence.agents_blocks where block_id = wanted
        union select agent_id from remanence.snapshots_blocks where block_id = wanted);
    labels := array(
        select label from remanence.blocks where id = wanted
        union select label from remanence.block_versions
        where block_id = wanted and label is not null);
    perform from remanence.conversations
    where agent_id = any(holders) and (lease_token is not null or epoch_seen -> 'seen' ? wanted)
    order by id for update;
    update remanence.messages as note
    set parts = jsonb_build_array(jsonb_build_object('type', 'text', 'text',
        'Core memory was changed from outside here; the block it tells of is deleted.'))
    where note.agent_id = any(holders) and note.role = 'system' and note.step_id is not null
        and exists (
            select from unnest(labels) as label
            where position(E'\n<' || label || E'>\n<description>' in note.parts #>> '{0,text}') > 0);
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
