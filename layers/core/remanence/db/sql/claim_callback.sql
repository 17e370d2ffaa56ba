-- claim_callback: takes on the callback of a run that is due, so that nobody else sends it.
-- takes:   run_id text; hold_s integer: it is due again after that, should its sender die
-- returns: 1 row: run jsonb {row of runs, without input} | 0 rows when none is due
-- uses:    runs_pkey
update remanence.runs as run
set callback_tries = run.callback_tries + 1,
    callback_due_at = clock_timestamp() + %(hold_s)s::integer * interval '1 second'
where run.id = %(run_id)s::text and run.callback_due_at <= clock_timestamp()
returning to_jsonb(run) - 'input' as run
