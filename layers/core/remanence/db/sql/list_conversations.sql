-- list_conversations: one page of the conversations that callers made and did not hide.
-- takes:   lower_id, upper_id text; ascending, scan_up boolean; page_limit integer; order_by text;
--          agent_id, summary_search text | null (a part of the summary, any case); archived
--          boolean | null (both)
-- returns: 0..page_limit rows: conversation jsonb {see conversation_view_v1}
-- uses:    conversations_agent_created_idx, runs_ord_unique (order_by last_run_completion)
with matching as not materialized (
    select conv.id,
        remanence.conversation_sort_key_v1(
            conv, %(order_by)s::text, %(ascending)s::boolean) as sort_key
    from remanence.conversations as conv
    where conv.org_id = remanence.current_org()
        and not conv.is_default
        and not coalesce((conv.extras ->> 'hidden')::boolean, false)
        and (%(agent_id)s::text is null or conv.agent_id = %(agent_id)s::text)
        and (%(archived)s::boolean is null
            or (conv.extras ? 'archived_at') = %(archived)s::boolean)
        and (%(summary_search)s::text is null
            or position(lower(%(summary_search)s::text) in lower(conv.summary)) > 0)
),
bounded as not materialized (
    select matching.id, matching.sort_key
    from matching
    where (%(lower_id)s::text is null or (matching.sort_key, matching.id) > (
            select remanence.conversation_sort_key_v1(
                conv, %(order_by)s::text, %(ascending)s::boolean), conv.id
            from remanence.conversations as conv where conv.id = %(lower_id)s::text))
        and (%(upper_id)s::text is null or (matching.sort_key, matching.id) < (
            select remanence.conversation_sort_key_v1(
                conv, %(order_by)s::text, %(ascending)s::boolean), conv.id
            from remanence.conversations as conv where conv.id = %(upper_id)s::text))
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
select remanence.conversation_view_v1(conv) as conversation
from page
join remanence.conversations as conv on conv.id = page.id
order by case when %(ascending)s::boolean then page.sort_key end,
    case when %(ascending)s::boolean then page.id end,
    page.sort_key desc, page.id desc
