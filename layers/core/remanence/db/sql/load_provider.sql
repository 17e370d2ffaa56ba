-- load_provider: one provider.
-- takes:   provider_id text
-- returns: 0..1 row: the columns of providers
-- uses:    providers_pkey
select provider.id, provider.name, provider.provider_type, provider.api_key,
    provider.api_key_hint, provider.created_at, provider.updated_at
from remanence.providers as provider
where provider.id = %(provider_id)s::text and provider.org_id = remanence.current_org()
