-- list_recorded: the model calls of a run or of a conversation, in order, with what was answered.
-- takes:   wanted_id text (of either)
-- returns: 0..n rows: step_id text, answer jsonb {row of messages} | null, secrets jsonb [names of
--          the agent's secrets]
-- uses:    runs_pkey, runs_ord_unique, steps_no_unique, messages_run_idx
select step.id as step_id,
    (select to_jsonb(message) - 'lexemes'
     from remanence.messages as message
     where message.run_id = step.run_id and message.step_id = step.id
        and message.role = 'assistant'
     order by message.seq
     limit 1) as answer,
    (select coalesce(jsonb_agg(secret.name order by secret.name), '[]')
     from remanence.agent_secrets as secret where secret.agent_id = step.agent_id) as secrets
from remanence.steps as step
where step.org_id = remanence.current_org()
    and step.run_id in (
        select run.id from remanence.runs as run
        where run.id = %(wanted_id)s::text or run.conversation_id = %(wanted_id)s::text)
    and step.receipt ? 'request'
order by step.created_at, step.id
