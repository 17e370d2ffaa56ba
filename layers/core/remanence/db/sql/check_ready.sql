-- check_ready: whether the database answers.
-- takes:   nothing
-- returns: 1 row: answers boolean
-- uses:    no table
select true as answers
