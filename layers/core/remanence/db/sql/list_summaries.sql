-- list_summaries: the summaries of a conversation that stand in its window, or those that one of
-- them covers, oldest first.
-- takes:   conversation_id text | null (the agent's default), agent_id text | null (any);
--          parent_id text | null (those in the window)
-- returns: 0..1 row: parent_found boolean, summaries jsonb [row]. 0 rows: no such conversation
-- uses:    conversations_pkey, conversations_default_idx, summaries_roots_idx, summaries_parent_idx
select %(parent_id)s::text is null or exists (
        select from remanence.summaries as above
        where above.id = %(parent_id)s::text and above.conversation_id = conv.id
    ) as parent_found,
    (
        select coalesce(jsonb_agg(to_jsonb(node) order by node.from_seq), '[]')
        from remanence.summaries as node
        where node.conversation_id = conv.id
            and case when %(parent_id)s::text is null then node.parent_id is null
                else node.parent_id = %(parent_id)s::text end
    ) as summaries
from remanence.conversations as conv
where (%(agent_id)s::text is null or conv.agent_id = %(agent_id)s::text)
    and case when %(conversation_id)s::text is null then conv.is_default
        else conv.id = %(conversation_id)s::text end
    and conv.org_id = remanence.current_org()
