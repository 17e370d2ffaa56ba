-- load_receipt: what the context of a step was compiled from, by versions and ids.
-- takes:   step_id text
-- returns: 0..1 row: step jsonb {row of steps, with receipt}
-- uses:    steps_pkey
select to_jsonb(step) as step
from remanence.steps as step
where step.id = %(step_id)s::text and step.org_id = remanence.current_org()
