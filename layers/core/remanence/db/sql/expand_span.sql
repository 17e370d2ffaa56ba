-- expand_span: what stands behind a summary, or behind a span of messages that are out of view:
-- the summaries inside it that cover it whole, none inside another; else its messages.
-- takes:   conversation_id text; summary_id text | null; from_seq, to_seq bigint | null (inclusive;
--          of the summary if it is given); page_limit integer (of messages)
-- returns: 0..1 row: from_seq, to_seq, window_from_seq bigint; summaries jsonb [row], oldest first;
--          messages jsonb [row of messages], oldest first. 0 rows: no such summary, or conversation
-- uses:    conversations_pkey, summaries_roots_idx, summaries_parent_idx, messages_pkey
with recursive asked as materialized (
    select conv.id, conv.window_from_seq,
        greatest(coalesce(node.from_seq, %(from_seq)s::bigint), 1) as from_seq,
        -- what is in view has no summary, and need not be shown again
        least(coalesce(node.to_seq, %(to_seq)s::bigint), conv.window_from_seq - 1) as to_seq
    from remanence.conversations as conv
    left join remanence.summaries as node
        on node.id = %(summary_id)s::text and node.conversation_id = conv.id
    where conv.id = %(conversation_id)s::text
        and conv.org_id = remanence.current_org()
        and (%(summary_id)s::text is null or node.id is not null)
),
-- down the tree, as far as a summary is not inside the span
walk as (
    select node.id, node.from_seq, node.to_seq,
        node.from_seq >= asked.from_seq and node.to_seq <= asked.to_seq
            and (node.from_seq, node.to_seq) <> (asked.from_seq, asked.to_seq) as is_inside
    from asked
    join remanence.summaries as node
        on node.conversation_id = asked.id and node.parent_id is null
        and node.from_seq <= asked.to_seq and node.to_seq >= asked.from_seq
    union all
    select node.id, node.from_seq, node.to_seq,
        node.from_seq >= asked.from_seq and node.to_seq <= asked.to_seq
            and (node.from_seq, node.to_seq) <> (asked.from_seq, asked.to_seq)
    from asked
    join walk on not walk.is_inside
    join remanence.summaries as node
        on node.parent_id = walk.id
        and node.from_seq <= asked.to_seq and node.to_seq >= asked.from_seq
),
nodes as materialized (
    select walk.id
    from walk
    where walk.is_inside and (
        select sum(part.to_seq - part.from_seq + 1) from walk as part where part.is_inside
    ) = (select asked.to_seq - asked.from_seq + 1 from asked)
)
select asked.from_seq, asked.to_seq, asked.window_from_seq,
    (
        select coalesce(jsonb_agg(to_jsonb(node) order by node.from_seq), '[]')
        from nodes
        join remanence.summaries as node on node.id = nodes.id
    ) as summaries,
    (
        select coalesce(jsonb_agg(page.message order by page.seq), '[]')
        from (
            select to_jsonb(msg) - 'lexemes' as message, msg.seq
            from remanence.messages as msg
            where msg.conversation_id = asked.id
                and msg.seq between asked.from_seq and asked.to_seq
                and not exists (select from nodes)
                and not (msg.role = 'system' and msg.step_id is not null)  -- notes to the model
            order by msg.seq
            limit %(page_limit)s::integer
        ) as page
    ) as messages
from asked
