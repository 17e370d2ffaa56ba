-- find_step: one step.
-- takes:   step_id text
-- returns: 0..1 row: step jsonb {row of steps, without receipt}
-- uses:    steps_pkey
select to_jsonb(step) - 'receipt' as step
from remanence.steps as step
where step.id = %(step_id)s::text and step.org_id = remanence.current_org()
