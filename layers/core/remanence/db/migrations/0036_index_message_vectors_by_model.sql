-- migrate: no-transaction
-- Becomes the primary key: while a model is changed, a message has vectors of both.
create unique index concurrently if not exists message_vectors_by_model_idx
    on remanence.message_vectors (message_id, model);
