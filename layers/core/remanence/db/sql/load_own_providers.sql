-- load_own_providers: what is needed to call the models of the organization's own providers.
-- takes:   nothing
-- returns: 1 row: providers json [{id, name, provider_type, api_key, created_at}], oldest first
-- uses:    providers_org_created_idx
select remanence.own_providers_v1(remanence.current_org()) as providers
