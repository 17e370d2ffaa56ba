-- load_kept: a step with what its receipt names, as far as it is still stored.
-- takes:   step_id text
-- returns: 0..1 row: step jsonb {row of steps, with receipt}, messages jsonb [row ...] of its span,
--          note jsonb {row} | null, summaries jsonb [row ...], snapshots jsonb {hash: body}
-- uses:    steps_pkey, messages_pkey, messages_run_idx, summaries_pkey, snapshots_pkey
select
    to_jsonb(step) as step,
    (select coalesce(jsonb_agg(to_jsonb(message) - 'lexemes' order by message.seq), '[]')
     from remanence.messages as message
     where message.conversation_id = step.conversation_id
        and message.seq between (step.receipt -> 'messages' ->> 0)::bigint
            and (step.receipt -> 'messages' ->> 1)::bigint) as messages,
    -- the first message a step writes, if it was told something
    (select to_jsonb(message) - 'lexemes'
     from remanence.messages as message
     where message.run_id = step.run_id and message.step_id = step.id and message.role = 'system'
        and step.receipt ? 'note'
     order by message.seq
     limit 1) as note,
    (select coalesce(jsonb_agg(to_jsonb(summary)), '[]')
     from remanence.summaries as summary
     where summary.id in (select jsonb_array_elements_text(step.receipt -> 'summaries'))
        and summary.conversation_id = step.conversation_id) as summaries,
    (select coalesce(jsonb_object_agg(snapshot.hash, snapshot.body), '{}')
     from remanence.snapshots as snapshot
     where snapshot.agent_id = step.agent_id
        and snapshot.hash in (step.receipt ->> 'system', step.receipt ->> 'tools')) as snapshots
from remanence.steps as step
where step.id = %(step_id)s::text and step.org_id = remanence.current_org()
