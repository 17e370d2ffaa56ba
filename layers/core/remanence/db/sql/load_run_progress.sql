-- load_run_progress: what a run has said after a place in its conversation, and where it stands.
-- takes:   run_id text, after_seq bigint
-- returns: 1 row: run jsonb, messages jsonb [row ...], usage jsonb, compactions jsonb {step id: row
--          of summaries}, empty unless the run asked for them, context_window (tokens), is_hanging (not over, and
--          nobody holds its conversation), is_gone boolean (its messages were deleted)
--          | 0 rows without such a run
-- uses:    runs_pkey, conversations_pkey, agents_pkey, messages_run_idx, steps_no_unique,
--          summaries_step_idx
select
    to_jsonb(run) - 'input' as run,
    (
        select coalesce(jsonb_agg(to_jsonb(message) - 'lexemes' order by message.seq), '[]')
        from remanence.messages as message
        where message.run_id = run.id and message.step_id is not null
            and message.seq > %(after_seq)s::bigint
    ) as messages,
    (
        select jsonb_build_object(
            'steps', count(*),
            'prompt_tokens', coalesce(sum(step.prompt_tokens), 0),
            'completion_tokens', coalesce(sum(step.completion_tokens), 0),
            'cached_input_tokens', coalesce(sum(step.cached_input_tokens), 0),
            'cache_write_tokens', coalesce(sum(step.cache_write_tokens), 0),
            'reasoning_tokens', coalesce(sum(step.reasoning_tokens), 0))
        from remanence.steps as step
        where step.run_id = run.id
    ) as usage,
    (
        select coalesce(jsonb_object_agg(step.id, to_jsonb(leaf)), '{}')
        from remanence.steps as step
        join remanence.summaries as leaf on leaf.step_id = step.id and leaf.level = 0
        where step.run_id = run.id and run.options -> 'include_compaction_messages' = 'true'
    ) as compactions,
    agent.context_window_limit as context_window,
    run.status in ('created', 'running')
        and coalesce(conv.lease_until <= clock_timestamp(), true) as is_hanging,
    run.started_at is not null and not exists (
        select from remanence.messages as message where message.run_id = run.id
    ) as is_gone
from remanence.runs as run
join remanence.conversations as conv on conv.id = run.conversation_id
join remanence.agents as agent on agent.id = run.agent_id
where run.id = %(run_id)s::text
