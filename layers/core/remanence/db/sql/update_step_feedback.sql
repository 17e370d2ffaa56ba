-- update_step_feedback: sets what a caller thinks of a step; null takes it back.
-- takes:   step_id text, feedback text | null, tags text[] | null (as they are)
-- returns: 0..1 row: step jsonb {row of steps, without receipt}
-- uses:    steps_pkey
update remanence.steps as step
set feedback = %(feedback)s::text, tags = coalesce(%(tags)s::text[], step.tags)
where step.id = %(step_id)s::text and step.org_id = remanence.current_org()
returning to_jsonb(step) - 'receipt' as step
