-- delete_provider: deletes a provider and its key.
-- takes:   provider_id text
-- returns: 0..1 row: id text
-- uses:    providers_pkey
delete from remanence.providers as provider
where provider.id = %(provider_id)s::text and provider.org_id = remanence.current_org()
returning provider.id
