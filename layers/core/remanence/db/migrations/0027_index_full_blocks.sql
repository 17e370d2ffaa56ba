-- migrate: no-transaction
-- Agents whose blocks the sweep keeps small, which it looks for every minute.
create index concurrently if not exists agents_archive_blocks_idx on remanence.agents (id)
    where compaction_settings -> 'archive_blocks' <> '[]';
