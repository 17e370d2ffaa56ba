-- move_lines: makes a block smaller and stores what went as passages, both or neither.
-- takes:   call jsonb, see remanence.lines_move_v1
-- returns: 1 row: jsonb {outcome: ok | stale}
-- uses:    blocks_pkey, agents_blocks_block_idx, agents_pkey, passages_pkey
select remanence.lines_move_v1(%(call)s::jsonb)
