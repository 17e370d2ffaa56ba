-- link_identity: attaches an identity to an agent or a block, or detaches it; see the function.
-- takes:   call jsonb {org_id, identity_id, agent_id, block_id, attach}
-- returns: 1 row: jsonb {outcome: ok | not_found}
-- uses:    identities_pkey, agents_pkey, blocks_pkey, agents_identities_pkey, blocks_identities_pkey
select remanence.identity_link_v1(%(call)s::jsonb)
