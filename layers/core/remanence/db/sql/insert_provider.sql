-- insert_provider: a new provider of the organization, unless it has too many.
-- takes:   provider_id, provider_name, provider_type, api_key, api_key_hint text; most integer
-- returns: 0..1 row: the columns of providers, is_full boolean (then nothing was stored)
-- uses:    providers_name_unique
with known as (
    select count(*) >= %(most)s::integer as is_full
    from remanence.providers as provider
    where provider.org_id = remanence.current_org()
),
made as (
    insert into remanence.providers as provider (
        id, org_id, name, provider_type, api_key, api_key_hint)
    select %(provider_id)s::text, remanence.current_org(), %(provider_name)s::text,
        %(provider_type)s::text, %(api_key)s::text, %(api_key_hint)s::text
    from known
    where not known.is_full
    on conflict (org_id, name) do nothing
    returning provider.id, provider.name, provider.provider_type, provider.api_key,
        provider.api_key_hint, provider.created_at, provider.updated_at
)
select made.id, made.name, made.provider_type, made.api_key, made.api_key_hint, made.created_at,
    made.updated_at, known.is_full
from known
left join made on true
where known.is_full or made.id is not null
