-- migrate: no-transaction
create index concurrently if not exists summaries_step_idx on remanence.summaries (step_id) where step_id is not null
