-- record_callback: keeps how a callback went, and when to try again.
-- takes:   run_id text; status_code integer, error text (null: none); pause_s integer (null: never)
-- returns: nothing
-- uses:    runs_pkey
update remanence.runs
set callback_sent_at = clock_timestamp(),
    callback_status_code = %(status_code)s::integer,
    callback_error = %(error)s::text,
    callback_due_at = clock_timestamp() + %(pause_s)s::integer * interval '1 second'
where id = %(run_id)s::text
