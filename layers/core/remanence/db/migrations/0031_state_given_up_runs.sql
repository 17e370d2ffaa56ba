-- A run whose calls waited for an approval was over when they were given up, and went on saying that
-- it waits for one. Now it says what became of it: it was cancelled.

-- See 0003: only what follows "calls that wait" is new.
create or replace function remanence.run_cancel_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    run remanence.runs;
    held boolean;
    answer jsonb := '[]';
begin
    perform remanence.enter_org(p ->> 'org_id');
    for run in
        select * from remanence.runs
        where status in ('created', 'running')
            and agent_id = coalesce(p ->> 'agent_id', agent_id)
            and conversation_id = coalesce(p ->> 'conversation_id', conversation_id)
            and (p ->> 'run_ids' is null or p -> 'run_ids' ? id)
        order by conversation_id, ord
    loop
        -- the conversation is locked first, as in every other function
        select coalesce(lease_until > clock_timestamp(), false) into held
        from remanence.conversations where id = run.conversation_id for update;
        update remanence.runs
        set cancel_requested = true,
            status = case when held and status = 'running' then status else 'cancelled' end,
            stop_reason = case when held and status = 'running' then null else 'cancelled' end,
            completed_at = case when held and status = 'running' then null
                else clock_timestamp() end,
            callback_due_at = case when callback_url is not null
                and not (held and status = 'running') then clock_timestamp() end
        where id = run.id and status in ('created', 'running')
        returning * into run;
        if found and not held and run.started_at is not null then
            -- a worker that comes back after its lease must find it gone
            update remanence.conversations
            set fence = fence + 1, lease_token = null, lease_until = null
            where id = run.conversation_id;
        end if;
        if found then
            answer := answer || jsonb_build_object('id', run.id, 'status', run.status);
        end if;
    end loop;
    -- calls that wait for an approval are given up, and the run that asked for it
    for run in
        update remanence.conversations as conv
        set pending_message_id = null, pending_call_ids = '{}', pending_since = null
        from remanence.messages as message
        join remanence.runs as asking on asking.id = message.run_id
        where message.id = conv.pending_message_id
            and conv.agent_id = coalesce(p ->> 'agent_id', conv.agent_id)
            and conv.id = coalesce(p ->> 'conversation_id', conv.id)
            and (p ->> 'run_ids' is null or p -> 'run_ids' ? asking.id)
        returning asking.*
    loop
        update remanence.runs
        set cancel_requested = true, status = 'cancelled', stop_reason = 'cancelled'
        where id = run.id;
        answer := answer || jsonb_build_object('id', run.id, 'status', 'cancelled');
    end loop;
    return answer;
end
$$;
