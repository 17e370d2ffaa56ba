-- delete_recall_set: everything a measurement of recall stored, and its organization.
-- takes:   nothing: the organization of the transaction, which must be one of a measurement
-- returns: 0..1 row: id text
-- uses:    archives_org_created_idx, agents_org_created_idx
with agents as (
    delete from remanence.agents as agent
    where agent.org_id = remanence.current_org() and agent.name = 'Recall evaluation'
),
archives as (
    delete from remanence.archives as archive
    where archive.org_id = remanence.current_org()
        and exists (
            select from remanence.organizations as org
            where org.id = archive.org_id and org.name = 'Recall evaluation')
)
delete from remanence.organizations as org
where org.id = remanence.current_org() and org.name = 'Recall evaluation'
returning org.id
