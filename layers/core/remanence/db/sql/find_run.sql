-- find_run: one run.
-- takes:   run_id text
-- returns: 0..1 row: run jsonb {row of runs, without input}, is_default boolean (its
--          conversation is the agent's default)
-- uses:    runs_pkey, conversations_pkey
select to_jsonb(run) - 'input' as run, conv.is_default
from remanence.runs as run
join remanence.conversations as conv on conv.id = run.conversation_id
where run.id = %(run_id)s::text and run.org_id = remanence.current_org()
