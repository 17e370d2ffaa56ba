-- find_conversation_run: a run of a conversation to follow.
-- takes:   agent_id, conversation_id text (null: the agent's default); run_id text, or otid text
--          of a message that it was asked with; null and null: the newest that is not over
-- returns: 1 row: conversation_id, run_id text (null: none such) | 0 rows without the conversation
-- uses:    conversations_default_idx, conversations_pkey, runs_ord_unique
select conv.id as conversation_id, (
    select run.id
    from remanence.runs as run
    where run.conversation_id = conv.id
        and (%(run_id)s::text is null or run.id = %(run_id)s::text)
        and (%(otid)s::text is null
            or run.input @> jsonb_build_array(jsonb_build_object('otid', %(otid)s::text)))
        and (coalesce(%(run_id)s::text, %(otid)s::text) is not null
            or run.status in ('created', 'running'))
    order by run.ord desc
    limit 1
) as run_id
from remanence.conversations as conv
where case when %(conversation_id)s::text is null
    then conv.agent_id = %(agent_id)s::text and conv.is_default
    else conv.id = %(conversation_id)s::text
        and conv.agent_id = coalesce(%(agent_id)s::text, conv.agent_id) end
