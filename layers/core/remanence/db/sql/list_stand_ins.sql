-- list_stand_ins: the summaries in view that code wrote because no model could be asked, and what
-- they stand for. The oldest few: the next compaction takes the others.
-- takes:   conversation_id text, limit integer
-- returns: rows: summary jsonb; messages jsonb [row of messages] of level 0, else []; children
--          jsonb [row of summaries]; all by from_seq / seq
-- uses:    summaries_roots_idx, summaries_parent_idx, messages_pkey
select to_jsonb(root) as summary,
    case when below.children is null then (
        select coalesce(jsonb_agg(to_jsonb(msg) - 'lexemes' order by msg.seq), '[]')
        from remanence.messages as msg
        where msg.conversation_id = root.conversation_id
            and msg.seq between root.from_seq and root.to_seq)
    else '[]' end as messages,
    coalesce(below.children, '[]') as children
from remanence.summaries as root
cross join lateral (
    select jsonb_agg(to_jsonb(child) order by child.from_seq) as children
    from remanence.summaries as child
    where child.parent_id = root.id and root.level > 0) as below
where root.conversation_id = %(conversation_id)s::text
    and root.parent_id is null
    and root.is_stand_in
order by root.from_seq
limit %(limit)s::integer
