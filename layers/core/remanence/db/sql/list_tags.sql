-- list_tags: the tags in use on agents and blocks, in alphabetical order.
-- takes:   lower_tag, upper_tag text (exclusive); query_text text; ascending, scan_up boolean;
--          page_limit integer
-- returns: 0..page_limit rows: tag text
-- uses:    agents_org_created_idx, blocks_org_created_idx
with used as (
    select unnest(agent.tags) collate "C" as tag
    from remanence.agents as agent
    where agent.org_id = remanence.current_org() and agent.tags <> '{}'
    union
    select unnest(block.tags) collate "C"
    from remanence.blocks as block
    where block.org_id = remanence.current_org() and block.tags <> '{}'
),
page as (
    select used.tag
    from used
    where (%(lower_tag)s::text is null or used.tag > %(lower_tag)s::text)
        and (%(upper_tag)s::text is null or used.tag < %(upper_tag)s::text)
        and (%(query_text)s::text is null
            or position(lower(%(query_text)s::text) in lower(used.tag)) > 0)
    order by case when %(scan_up)s::boolean then used.tag end, used.tag desc
    limit %(page_limit)s::integer
)
select page.tag
from page
order by case when %(ascending)s::boolean then page.tag end, page.tag desc
