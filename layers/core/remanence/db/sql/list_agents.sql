-- list_agents: one page of the agents that pass every filter.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer; order_by text;
--          agent_name, query_text, project_id, template_id, base_template_id, last_stop_reason,
--          block_id, identity_id text; tags, identifier_keys text[]; match_all_tags, with_hidden boolean; relations text[]
-- returns: 0..page_limit rows: view jsonb {agent, blocks, tools, identities, secrets, message_ids}
-- uses:    agents_org_created_idx (order_by created_at), agents_tags_idx, agents_blocks_block_idx,
--          agents_identities_pkey
with matching as not materialized (
    select agent.id,
        remanence.agent_sort_key_v1(
            agent, %(order_by)s::text, %(ascending)s::boolean) as sort_key
    from remanence.agents as agent
    where agent.org_id = remanence.current_org()
        and (%(agent_name)s::text is null or agent.name = %(agent_name)s::text)
        and (%(query_text)s::text is null
            or position(lower(%(query_text)s::text) in lower(agent.name)) > 0)
        and (%(project_id)s::text is null
            or agent.extras ->> 'project_id' = %(project_id)s::text)
        and (%(template_id)s::text is null
            or agent.extras ->> 'template_id' = %(template_id)s::text)
        and (%(base_template_id)s::text is null
            or agent.extras ->> 'base_template_id' = %(base_template_id)s::text)
        and (%(last_stop_reason)s::text is null
            or agent.last_stop_reason = %(last_stop_reason)s::text)
        and (%(tags)s::text[] is null or case when %(match_all_tags)s::boolean
            then agent.tags @> %(tags)s::text[] else agent.tags && %(tags)s::text[] end)
        and (%(with_hidden)s::boolean or not agent.hidden)
        and (%(block_id)s::text is null or exists (
            select from remanence.agents_blocks as link
            where link.agent_id = agent.id and link.block_id = %(block_id)s::text))
        and (%(identity_id)s::text is null or exists (
            select from remanence.agents_identities as link
            where link.agent_id = agent.id and link.identity_id = %(identity_id)s::text))
        and (%(identifier_keys)s::text[] is null or exists (
            select from remanence.agents_identities as link
            join remanence.identities as identity on identity.id = link.identity_id
            where link.agent_id = agent.id
                and identity.identifier_key = any (%(identifier_keys)s::text[])))
),
bounded as not materialized (
    select matching.id, matching.sort_key
    from matching
    where (%(lower_id)s::text is null or (matching.sort_key, matching.id) > (
            select remanence.agent_sort_key_v1(
                agent, %(order_by)s::text, %(ascending)s::boolean), agent.id
            from remanence.agents as agent where agent.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.sort_key, matching.id) < (
            select remanence.agent_sort_key_v1(
                agent, %(order_by)s::text, %(ascending)s::boolean), agent.id
            from remanence.agents as agent where agent.id = %(upper_id)s::text))
),
page as (
    (select bounded.id, bounded.sort_key from bounded
     where %(scan_up)s::boolean
     order by bounded.sort_key, bounded.id limit %(page_limit)s::integer)
    union all
    (select bounded.id, bounded.sort_key from bounded
     where not %(scan_up)s::boolean
     order by bounded.sort_key desc, bounded.id desc limit %(page_limit)s::integer)
)
select remanence.agent_view_v1(page.id, %(relations)s::text[]) as view
from page
order by case when %(ascending)s::boolean then page.sort_key end,
    case when %(ascending)s::boolean then page.id end,
    page.sort_key desc, page.id desc
