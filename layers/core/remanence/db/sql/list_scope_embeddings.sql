-- list_scope_embeddings: which models made the vectors of what a search covers, the most used first.
-- takes:   agent_id, archive_id text (null: any)
-- returns: 0..n rows: embedding text
-- uses:    archives_org_created_idx, archives_agents_pkey
select archive.embedding
from remanence.archives as archive
where archive.org_id = remanence.current_org()
    and archive.embedding is not null
    and (%(archive_id)s::text is null or archive.id = %(archive_id)s::text)
    and (%(agent_id)s::text is null or exists (
        select from remanence.archives_agents as link
        where link.archive_id = archive.id and link.agent_id = %(agent_id)s::text))
group by archive.embedding
order by count(*) desc, archive.embedding
