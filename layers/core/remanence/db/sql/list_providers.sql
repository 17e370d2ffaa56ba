-- list_providers: one page of the providers that pass every filter.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          provider_name, provider_type text | null
-- returns: 0..page_limit rows: the columns of providers
-- uses:    providers_org_created_idx, providers_name_unique
with matching as not materialized (
    select provider.id, provider.created_at
    from remanence.providers as provider
    where provider.org_id = remanence.current_org()
        and (%(provider_name)s::text is null or provider.name = %(provider_name)s::text)
        and (%(provider_type)s::text is null
            or provider.provider_type = %(provider_type)s::text)
),
bounded as not materialized (
    select matching.id, matching.created_at
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.providers as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.providers as upper where upper.id = %(upper_id)s::text))
),
page as (
    (select bounded.id, bounded.created_at from bounded
     where %(scan_up)s::boolean
     order by bounded.created_at, bounded.id limit %(page_limit)s::integer)
    union all
    (select bounded.id, bounded.created_at from bounded
     where not %(scan_up)s::boolean
     order by bounded.created_at desc, bounded.id desc limit %(page_limit)s::integer)
)
select provider.id, provider.name, provider.provider_type, provider.api_key,
    provider.api_key_hint, provider.created_at, provider.updated_at
from page
join remanence.providers as provider on provider.id = page.id
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
