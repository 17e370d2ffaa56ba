-- list_due: what the sweep has to look at, over all organizations; ids only.
-- takes:   limit integer, hanging_after_ms integer, share real (of the context window)
-- returns: 1 row: jsonb [{kind: hanging | large | callback, org_id, conversation_id, run_id}]
-- uses:    runs_unfinished_idx, conversations_window_tokens_idx, runs_callback_idx
select coalesce(jsonb_agg(to_jsonb(due)), '[]')
from remanence.sweep_v1(
    %(limit)s::integer, %(hanging_after_ms)s::integer, %(share)s::real) as due
