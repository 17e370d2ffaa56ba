-- write_identity: makes an identity, or changes one; see the function.
-- takes:   call jsonb {org_id, mode, identity, agent_ids, block_ids}
-- returns: 1 row: jsonb {outcome: ok | not_found | conflict, identity}
-- uses:    identities_pkey, identities_key_unique, agents_pkey, blocks_pkey
select remanence.identity_write_v1(%(call)s::jsonb)
