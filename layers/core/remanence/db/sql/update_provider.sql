-- update_provider: replaces the key of a provider.
-- takes:   provider_id, api_key, api_key_hint text
-- returns: 0..1 row: the columns of providers
-- uses:    providers_pkey
update remanence.providers as provider
set api_key = %(api_key)s::text, api_key_hint = %(api_key_hint)s::text,
    updated_at = clock_timestamp()
where provider.id = %(provider_id)s::text and provider.org_id = remanence.current_org()
returning provider.id, provider.name, provider.provider_type, provider.api_key,
    provider.api_key_hint, provider.created_at, provider.updated_at
