-- list_identities: one page of the identities that pass every filter.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          identity_name, identifier_key, identity_type, project_id text | null
-- returns: 0..page_limit rows: identity jsonb {see identity_view_v1}
-- uses:    identities_org_created_idx, identities_key_unique
with matching as not materialized (
    select identity.id, identity.created_at
    from remanence.identities as identity
    where identity.org_id = remanence.current_org()
        and (%(identity_name)s::text is null or identity.name = %(identity_name)s::text)
        and (%(identifier_key)s::text is null
            or identity.identifier_key = %(identifier_key)s::text)
        and (%(identity_type)s::text is null
            or identity.identity_type = %(identity_type)s::text)
        and (%(project_id)s::text is null or identity.project_id = %(project_id)s::text)
),
bounded as not materialized (
    select matching.id, matching.created_at
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.identities as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.identities as upper where upper.id = %(upper_id)s::text))
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
select remanence.identity_view_v1(identity) as identity
from page
join remanence.identities as identity on identity.id = page.id
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
