-- load_identity: one identity.
-- takes:   identity_id text
-- returns: 0..1 row: identity jsonb {see identity_view_v1}
-- uses:    identities_pkey, agents_identities_identity_idx, blocks_identities_identity_idx
select remanence.identity_view_v1(identity) as identity
from remanence.identities as identity
where identity.id = %(identity_id)s::text and identity.org_id = remanence.current_org()
