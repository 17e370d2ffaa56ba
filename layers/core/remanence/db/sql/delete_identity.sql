-- delete_identity: deletes an identity; agents and blocks it was attached to stay.
-- takes:   identity_id text
-- returns: 0..1 row: id text
-- uses:    identities_pkey
delete from remanence.identities as identity
where identity.id = %(identity_id)s::text and identity.org_id = remanence.current_org()
returning identity.id
