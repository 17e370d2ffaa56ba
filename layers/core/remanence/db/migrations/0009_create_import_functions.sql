-- Agents with a history that was made elsewhere.

-- Stores the tools and agents of an agent file, all or nothing.
--
-- p: org_id, override_existing_tools, tools [{row of tools}] (custom ones),
--    agents [{see agent_create_v1, with no messages; and history [{row of messages}] in order,
--             window_from_seq, summaries [{row of summaries}]}]
-- returns ok: agent_ids [..]; or what agent_create_v1 refuses. The same ids again: what is there.
create function remanence.agents_import_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    item jsonb;
    answer jsonb;
    refusal text;
begin
    perform remanence.enter_org(p ->> 'org_id');
    for item in select value from jsonb_array_elements(p -> 'tools') loop
        -- one of that name stays unless it is to be replaced; a built-in one always does
        if (p ->> 'override_existing_tools')::boolean or not exists (
            select from remanence.tools as tool where tool.name = item ->> 'name')
        then
            perform remanence.tool_upsert_v1(
                jsonb_build_object('org_id', p -> 'org_id', 'tool', item));
        end if;
    end loop;
    for item in select value from jsonb_array_elements(p -> 'agents') loop
        answer := remanence.agent_create_v1(
            item || jsonb_build_object('org_id', p -> 'org_id', 'messages', '[]'::jsonb));
        if answer ->> 'outcome' <> 'ok' then
            perform remanence.refuse_v1(answer);
        end if;
        perform remanence.write_history_v1(item);
    end loop;
    return jsonb_build_object('outcome', 'ok', 'agent_ids', (
        select coalesce(jsonb_agg(made -> 'agent' -> 'id'), '[]')
        from jsonb_array_elements(p -> 'agents') as made));
exception
    when sqlstate 'RM001' then
        get stacked diagnostics refusal = pg_exception_detail;
        return refusal::jsonb;
end
$$;

-- The history of an imported agent's default conversation, if it has none yet.
create function remanence.write_history_v1(p_item jsonb) returns void
language plpgsql
as $$
declare
    conv remanence.conversations;
begin
    select * into strict conv from remanence.conversations
    where agent_id = p_item -> 'agent' ->> 'id' and is_default for update;
    if conv.next_seq > 1 then
        return;
    end if;
    insert into remanence.messages (
        conversation_id, seq, id, org_id, agent_id, role, parts, name, otid, sender_id, tokens,
        created_at)
    select conv.id, place, item ->> 'id', conv.org_id, conv.agent_id, item ->> 'role',
        item -> 'parts', item ->> 'name', item ->> 'otid', item ->> 'sender_id',
        (item ->> 'tokens')::integer, (item ->> 'created_at')::timestamptz
    from jsonb_array_elements(p_item -> 'history') with ordinality as items (item, place);
    insert into remanence.summaries (
        id, org_id, agent_id, conversation_id, level, from_seq, to_seq, text, tokens, model)
    select item ->> 'id', conv.org_id, conv.agent_id, conv.id, 0, (item ->> 'from_seq')::bigint,
        (item ->> 'to_seq')::bigint, item ->> 'text', (item ->> 'tokens')::integer, item ->> 'model'
    from jsonb_array_elements(p_item -> 'summaries') as item;
    update remanence.conversations
    set next_seq = jsonb_array_length(p_item -> 'history') + 1,
        window_from_seq = (p_item ->> 'window_from_seq')::bigint,
        window_tokens = coalesce((
            select sum(message.tokens) from remanence.messages as message
            where message.conversation_id = conv.id
                and message.seq >= (p_item ->> 'window_from_seq')::bigint), 0),
        last_message_at = (
            select max(message.created_at) from remanence.messages as message
            where message.conversation_id = conv.id)
    where id = conv.id;
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
