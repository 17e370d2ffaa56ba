-- migrate: no-transaction
-- What a step had stored that was changed since, for undoing it.
create index concurrently if not exists passage_versions_step_idx
    on remanence.passage_versions (step_id) where step_id is not null;
