-- list_blocks: one page of the blocks that pass every filter; of one agent, if one is named.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer;
--          agent_id, label, label_search, value_search, description_search, template_name,
--          project_id, identity_id text; tags, identifier_keys text[]; match_all_tags, templates_only, with_hidden boolean;
--          agents_eq integer[]; agents_gt, agents_lt integer (how many agents it is attached to)
-- returns: 0..page_limit rows: block jsonb {row of blocks}
-- uses:    blocks_org_created_idx, blocks_org_label_idx, agents_blocks_block_idx,
--          blocks_identities_pkey
with matching as not materialized (
    select block.*
    from remanence.blocks as block
    where block.org_id = remanence.current_org()
        and (%(agent_id)s::text is null or exists (
            select from remanence.agents_blocks as link
            where link.block_id = block.id and link.agent_id = %(agent_id)s::text))
        and (%(label)s::text is null or block.label = %(label)s::text)
        and (%(label_search)s::text is null
            or position(lower(%(label_search)s::text) in lower(block.label)) > 0)
        and (%(value_search)s::text is null
            or position(lower(%(value_search)s::text) in lower(block.value)) > 0)
        and (%(description_search)s::text is null
            or position(lower(%(description_search)s::text) in lower(block.description)) > 0)
        and (%(template_name)s::text is null
            or block.extras ->> 'template_name' = %(template_name)s::text)
        and (%(project_id)s::text is null
            or block.extras ->> 'project_id' = %(project_id)s::text)
        and (%(tags)s::text[] is null or case when %(match_all_tags)s::boolean
            then block.tags @> %(tags)s::text[] else block.tags && %(tags)s::text[] end)
        and (not %(templates_only)s::boolean or block.extras -> 'is_template' = 'true')
        and (%(with_hidden)s::boolean or not block.hidden)
        and (%(identity_id)s::text is null or exists (
            select from remanence.blocks_identities as link
            where link.block_id = block.id and link.identity_id = %(identity_id)s::text))
        and (%(identifier_keys)s::text[] is null or exists (
            select from remanence.blocks_identities as link
            join remanence.identities as identity on identity.id = link.identity_id
            where link.block_id = block.id
                and identity.identifier_key = any (%(identifier_keys)s::text[])))
        and (%(agents_eq)s::integer[] is null or (
            select count(*) from remanence.agents_blocks as link
            where link.block_id = block.id) = any (%(agents_eq)s::integer[]))
        and (%(agents_gt)s::integer is null or (
            select count(*) from remanence.agents_blocks as link
            where link.block_id = block.id) > %(agents_gt)s::integer)
        and (%(agents_lt)s::integer is null or (
            select count(*) from remanence.agents_blocks as link
            where link.block_id = block.id) < %(agents_lt)s::integer)
),
bounded as not materialized (
    select matching.*
    from matching
    where (%(lower_id)s::text is null or (matching.created_at, matching.id) > (
            select lower.created_at, lower.id
            from remanence.blocks as lower where lower.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.created_at, matching.id) < (
            select upper.created_at, upper.id
            from remanence.blocks as upper where upper.id = %(upper_id)s::text))
),
page as (
    (select bounded.* from bounded
     where %(scan_up)s::boolean
     order by bounded.created_at, bounded.id limit %(page_limit)s::integer)
    union all
    (select bounded.* from bounded
     where not %(scan_up)s::boolean
     order by bounded.created_at desc, bounded.id desc limit %(page_limit)s::integer)
)
select to_jsonb(page) as block
from page
order by case when %(ascending)s::boolean then page.created_at end,
    case when %(ascending)s::boolean then page.id end,
    page.created_at desc, page.id desc
