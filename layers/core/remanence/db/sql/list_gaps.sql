-- list_gaps: archives in which passages may lack vectors.
-- takes:   limit integer; over all organizations
-- returns: 1 row: jsonb [{org_id, archive_id, model}]
-- uses:    archive_gaps_pkey, archives_pkey
select coalesce(jsonb_agg(to_jsonb(due)), '[]')
from remanence.gaps_due_v1(%(limit)s::integer) as due
