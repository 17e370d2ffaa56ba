-- The sweep takes turns between organizations: one with thousands of things that are due does not
-- keep the others waiting.

-- What the schedule has to look at, over all organizations: ids only, nothing of anybody's.
-- Of each kind at most p_limit: the most urgent of every organization, then the second of every
-- one, and so on.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create or replace function remanence.sweep_v1(
    p_limit integer, p_hanging_after_ms integer, p_share real)
returns table (kind text, org_id text, conversation_id text, run_id text)
language sql stable security definer
set search_path = ''
as $$
    (select 'hanging', run.org_id, run.conversation_id, null
     from remanence.runs as run
     join remanence.conversations as conv on conv.id = run.conversation_id
     where run.status in ('created', 'running')
        and run.created_at < pg_catalog.clock_timestamp()
            - p_hanging_after_ms * interval '1 millisecond'
        and (conv.lease_until is null or conv.lease_until < pg_catalog.clock_timestamp())
     group by run.org_id, run.conversation_id
     order by pg_catalog.row_number() over (
            partition by run.org_id order by pg_catalog.min(run.created_at)),
        pg_catalog.min(run.created_at)
     limit p_limit)
    union all
    (select 'large', conv.org_id, conv.id, null
     from remanence.conversations as conv
     join remanence.agents as agent on agent.id = conv.agent_id
     where conv.window_tokens > 0
        and conv.window_tokens > agent.context_window_limit * p_share
        and conv.lease_token is null
        and (conv.compaction_tried_at is null or conv.compaction_tried_at < conv.last_message_at)
     order by pg_catalog.row_number() over (
            partition by conv.org_id
            order by conv.window_tokens::real / agent.context_window_limit desc),
        conv.window_tokens::real / agent.context_window_limit desc
     limit p_limit)
    union all
    (select 'callback', run.org_id, run.conversation_id, run.id
     from remanence.runs as run
     where run.callback_due_at <= pg_catalog.clock_timestamp()
     order by pg_catalog.row_number() over (
            partition by run.org_id order by run.callback_due_at),
        run.callback_due_at
     limit p_limit)
$$;
