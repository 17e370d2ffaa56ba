-- migrate: no-transaction
-- Agents whose history is read for facts, which the sweep looks for every minute.
create index concurrently if not exists agents_archive_facts_idx on remanence.agents (id)
    where compaction_settings @> '{"archive_facts": true}';
