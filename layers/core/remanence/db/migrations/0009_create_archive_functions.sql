-- Archives as callers make, share and fill them.

-- An archive as the API shows it.
create function remanence.archive_view_v1(p_archive remanence.archives) returns jsonb
language sql stable
as $$ select to_jsonb(p_archive) - 'org_id' $$;

-- Attaches an archive to an agent, or detaches it; what is so already stays so.
--
-- p: org_id, agent_id, archive_id, attach
-- returns outcome: ok | not_found (kind, id)
create function remanence.archive_link_v1(p jsonb) returns jsonb
language plpgsql
as $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    perform from remanence.agents where id = p ->> 'agent_id' for key share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'agent', 'id', p ->> 'agent_id');
    end if;
    perform from remanence.archives where id = p ->> 'archive_id' for key share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'archive', 'id', p ->> 'archive_id');
    end if;
    if (p ->> 'attach')::boolean then
        insert into remanence.archives_agents (org_id, agent_id, archive_id)
        values (p ->> 'org_id', p ->> 'agent_id', p ->> 'archive_id')
        on conflict (agent_id, archive_id) do nothing;
    else
        delete from remanence.archives_agents
        where agent_id = p ->> 'agent_id' and archive_id = p ->> 'archive_id';
    end if;
    return '{"outcome": "ok"}';
end
$$;

-- Puts passages into an archive; those whose id is there already stay as they are.
--
-- p: org_id, archive_id, passages (see insert_passages_v1)
-- returns outcome: ok (passages [row ...], in the order given) | not_found (kind, id)
create function remanence.archive_fill_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    archive remanence.archives;
begin
    perform remanence.enter_org(p ->> 'org_id');
    select * into archive from remanence.archives
    where id = p ->> 'archive_id' for key share;
    if not found then
        return jsonb_build_object(
            'outcome', 'not_found', 'kind', 'archive', 'id', p ->> 'archive_id');
    end if;
    perform remanence.insert_passages_v1(archive.org_id, archive.id, null, p -> 'passages');
    return jsonb_build_object(
        'outcome', 'ok',
        'passages', (
            select coalesce(jsonb_agg(
                to_jsonb(passage) - 'lexemes' || jsonb_build_object('embedding', archive.embedding)
                order by items.place), '[]')
            from jsonb_array_elements(p -> 'passages') with ordinality as items (item, place)
            join remanence.passages as passage on passage.id = items.item ->> 'id'));
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
