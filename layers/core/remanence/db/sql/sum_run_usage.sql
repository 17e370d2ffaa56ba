-- sum_run_usage: the tokens of a run's steps together.
-- takes:   run_id text
-- returns: 0..1 row: usage jsonb {prompt_tokens, completion_tokens, cached_input_tokens,
--          cache_write_tokens, reasoning_tokens}
-- uses:    runs_pkey, steps_no_unique
select jsonb_build_object(
    'prompt_tokens', coalesce(sum(step.prompt_tokens), 0),
    'completion_tokens', coalesce(sum(step.completion_tokens), 0),
    'cached_input_tokens', coalesce(sum(step.cached_input_tokens), 0),
    'cache_write_tokens', coalesce(sum(step.cache_write_tokens), 0),
    'reasoning_tokens', coalesce(sum(step.reasoning_tokens), 0)) as usage
from remanence.runs as run
left join remanence.steps as step on step.run_id = run.id
where run.id = %(run_id)s::text and run.org_id = remanence.current_org()
group by run.id
