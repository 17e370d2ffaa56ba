-- load_known_facts: the facts of an agent that new ones may repeat or contradict, and the archive
-- that they are in.
-- takes:   agent_id text; gists, keys text[]
-- returns: 0..1 row: archive_id text, facts_version bigint, facts jsonb [{passage_id, text, kind, key,
--          entities, source_ids, trust, valid_from, valid_to, said_at}]. 0 rows: no archive yet
-- uses:    archives_agents_pkey, facts_gist_idx, facts_key_idx, fact_sources_pkey
select archive.id as archive_id, archive.facts_version, (
        select coalesce(jsonb_agg(jsonb_build_object(
                'passage_id', passage.id, 'text', passage.text, 'kind', fact.kind,
                'key', fact.key, 'entities', fact.entities,
                'source_ids', remanence.fact_source_ids_v1(fact.passage_id),
                'trust', fact.trust, 'valid_from', passage.valid_from,
                'valid_to', passage.valid_to, 'said_at', fact.said_at)
            order by passage.valid_from, passage.id), '[]')
        from remanence.facts as fact
        join remanence.passages as passage on passage.id = fact.passage_id
        where fact.archive_id = archive.id and fact.agent_id = %(agent_id)s::text
            and (fact.gist = any (%(gists)s::text[]) or fact.key = any (%(keys)s::text[]))
    ) as facts
from remanence.archives as archive
where archive.org_id = remanence.current_org()
    and archive.id = (  -- the one of own_archive_v1
        select link.archive_id from remanence.archives_agents as link
        where link.agent_id = %(agent_id)s::text
        order by link.is_owner desc, link.created_at limit 1)
