-- delete_block: deletes a block; agents it is attached to lose it.
-- takes:   block_id text
-- returns: 0..1 row: id text
-- uses:    blocks_pkey, agents_blocks_block_idx
delete from remanence.blocks as block
where block.id = %(block_id)s::text and block.org_id = remanence.current_org()
returning block.id
