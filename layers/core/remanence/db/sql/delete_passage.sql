-- delete_passage: deletes a passage of one of an agent's archives, with its vector.
-- takes:   agent_id, passage_id text
-- returns: 0..1 row: id text
-- uses:    passages_pkey, archives_agents_pkey
delete from remanence.passages as passage
using remanence.archives_agents as link
where passage.id = %(passage_id)s::text
    and passage.org_id = remanence.current_org()
    and link.archive_id = passage.archive_id
    and link.agent_id = %(agent_id)s::text
returning passage.id
