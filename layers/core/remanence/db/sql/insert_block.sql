-- insert_block: stores a new block with its first version; sent again, gives the one that is there.
-- takes:   block jsonb {row of blocks}
-- returns: 1 row: block jsonb {row of blocks}
-- uses:    blocks_pkey, block_versions_pkey
with made as (
    insert into remanence.blocks as block (
        id, org_id, label, value, "limit", description, read_only, metadata, tags, hidden, extras)
    select given.id, remanence.current_org(), given.label, given.value, given."limit",
        given.description, given.read_only, given.metadata, given.tags, given.hidden, given.extras
    from jsonb_populate_record(null::remanence.blocks, %(block)s::jsonb) as given
    on conflict (id) do update set id = excluded.id
    returning to_jsonb(block) as block, block.id, block.org_id, block.version, block.value
),
first_version as (
    insert into remanence.block_versions (org_id, block_id, version, value)
    select made.org_id, made.id, made.version, made.value from made
    on conflict (block_id, version) do nothing
)
select made.block from made
