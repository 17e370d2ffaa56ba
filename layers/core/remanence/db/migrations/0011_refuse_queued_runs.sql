-- What may be said to a conversation is checked when a run is accepted. A queued run is begun later,
-- when its conversation may have come to wait for an approval, or when the request that it answers
-- has been answered: so it is checked again when it would begin.

-- Ends a queued run that may not begin any more; what it says becomes no message.
--
-- refusal: see approval_refusal_v1
create function remanence.refuse_run_v1(p_run_id text, p_refusal jsonb) returns void
language plpgsql
as $$
declare
    waits boolean := p_refusal ->> 'outcome' = 'pending';
    calls text := (
        select coalesce(string_agg(call_id, ', '), 'none')
        from jsonb_array_elements_text(p_refusal -> 'call_ids') as call_id);
begin
    update remanence.runs
    set status = 'failed', stop_reason = 'error', completed_at = clock_timestamp(),
        error = jsonb_build_object(
            'type', case when waits then 'PENDING_APPROVAL' else 'invalid_request' end,
            'message', case when waits
                then format('when its turn came the agent had begun to wait for an approval: answer'
                    ' the tool calls %s of message %s, then send this again',
                    calls, p_refusal ->> 'message_id')
                else format('when its turn came these tool calls had been answered, or given up;'
                    ' waiting now: %s', calls) end),
        callback_due_at = case when callback_url is not null then clock_timestamp() end
    where id = p_run_id;
end
$$;

-- Claims a conversation for the next step of its oldest unfinished run.
--
-- p: org_id, conversation_id, lease_token, lease_ms
-- returns outcome: ok (state) | idle | busy (run_id, retry_after_ms) | not_found
create or replace function remanence.step_begin_v1(p jsonb) returns json
language plpgsql
as $$
declare
    conv remanence.conversations;
    run remanence.runs;
    refusal jsonb;
    is_new boolean;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into conv from remanence.conversations
    where id = p ->> 'conversation_id' for update;
    if not found then
        return json_build_object(
            'outcome', 'not_found', 'kind', 'conversation', 'id', p ->> 'conversation_id');
    end if;
    loop
        select * into run from remanence.runs
        where conversation_id = conv.id and status in ('created', 'running') order by ord limit 1;
        if not found then
            return json_build_object('outcome', 'idle');
        end if;
        if conv.lease_until > clock_timestamp() and conv.lease_token <> p ->> 'lease_token' then
            return json_build_object(
                'outcome', 'busy', 'conversation_id', conv.id, 'run_id', run.id, 'retry_after_ms',
                ceil(extract(epoch from conv.lease_until - clock_timestamp()) * 1000)::integer);
        end if;
        is_new := run.status = 'created';
        exit when not is_new;
        refusal := remanence.approval_refusal_v1(conv, jsonb_build_object('answers', (
            select coalesce(jsonb_agg(part -> 'tool_call_id'), '[]')
            from jsonb_array_elements(run.input) as item,
                jsonb_array_elements(item -> 'parts') as part
            where item ->> 'role' = 'approval' and part ->> 'type' in ('approval', 'tool_return'))));
        exit when refusal is null;
        perform remanence.refuse_run_v1(run.id, refusal);
    end loop;
    if is_new then
        update remanence.runs set status = 'running', started_at = clock_timestamp()
        where id = run.id returning * into run;
    end if;
    return remanence.claim_v1(
        conv, run, p ->> 'lease_token', (p ->> 'lease_ms')::integer, is_new);
end
$$;

grant execute on all functions in schema remanence to remanence_app;
