-- load_own_archive: what the archive that an agent's insertions go to is, or will be.
-- takes:   agent_id text
-- returns: 0..1 row: embedding text | null (handle of the model of its vectors), timezone text (the
--          agent's); none when there is no such agent
-- uses:    agents_pkey, archives_agents_pkey, archives_pkey
select agent.timezone,
    case when own.archive_id is null
        then coalesce(agent.next_embedding, agent.embedding) else own.embedding end as embedding
from remanence.agents as agent
left join lateral (
    select archive.id as archive_id, archive.embedding
    from remanence.archives_agents as link
    join remanence.archives as archive on archive.id = link.archive_id
    where link.agent_id = agent.id
    order by link.is_owner desc, link.created_at
    limit 1
) as own on true
where agent.id = %(agent_id)s::text and agent.org_id = remanence.current_org()
