-- migrate: no-transaction
-- What a step has stored, for undoing it.
create index concurrently if not exists passages_step_idx on remanence.passages (step_id)
    where step_id is not null;
