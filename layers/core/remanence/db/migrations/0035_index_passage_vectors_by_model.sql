-- migrate: no-transaction
-- Becomes the primary key: while a model is changed, a passage has vectors of both.
create unique index concurrently if not exists passage_vectors_by_model_idx
    on remanence.passage_vectors (passage_id, model);
