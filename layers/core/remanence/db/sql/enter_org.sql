-- enter_org: puts the transaction behind row-level security, in one organization.
-- takes:   org_id text
-- returns: 1 row, nothing of use in it
-- uses:    no table
select remanence.enter_org(%(org_id)s::text)
