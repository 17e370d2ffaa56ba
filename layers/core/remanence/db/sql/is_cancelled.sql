-- is_cancelled: whether somebody asked a run to stop.
-- takes:   run_id text
-- returns: 1 row: cancel_requested boolean | 0 rows when there is no such run
-- uses:    runs_pkey
select run.cancel_requested
from remanence.runs as run
where run.id = %(run_id)s::text
