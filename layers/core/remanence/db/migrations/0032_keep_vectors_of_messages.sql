-- Vectors of what was said, made by the schedule for agents with an embedding model: no step waits
-- for them, and nothing is written for them on its path.

-- How far a conversation has its vectors, and of which model.
alter table remanence.conversations add column vectors_model text;
alter table remanence.conversations add column vectors_to_seq bigint not null default 0;
comment on column remanence.conversations.vectors_model is
    'Handle of the model of its vectors; another one than the agent''s: they are made anew.';
comment on column remanence.conversations.vectors_to_seq is
    'Messages up to this one have their vectors, or need none; inclusive.';

-- As passage_vectors: inline, compared exactly, found by their owner.
create table remanence.message_vectors (
    message_id text primary key references remanence.messages (id) on delete cascade,
    org_id text not null,
    agent_id text not null,
    model text not null,
    dimensions integer not null
);
do $$
declare
    home text;
begin
    select n.nspname into strict home
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector';
    execute format(
        'alter table remanence.message_vectors add column embedding %I.halfvec not null', home);
end
$$;
alter table remanence.message_vectors alter column embedding set storage plain;
create index message_vectors_agent_idx on remanence.message_vectors (agent_id, model);
comment on table remanence.message_vectors is 'Vectors of messages of users and assistants.';
comment on column remanence.message_vectors.message_id is 'Of the message; goes with it.';
comment on column remanence.message_vectors.org_id is 'Whose it is.';
comment on column remanence.message_vectors.agent_id is 'Whose conversations are searched.';
comment on column remanence.message_vectors.model is 'Handle that made it; only equal ones compare.';
comment on column remanence.message_vectors.dimensions is 'Length of the vector.';
comment on column remanence.message_vectors.embedding is 'The vector, in half precision.';

alter table remanence.message_vectors enable row level security;
create policy message_vectors_of_org on remanence.message_vectors to remanence_app
using (org_id = remanence.current_org()) with check (org_id = remanence.current_org());
revoke all on remanence.message_vectors from public;
grant select, insert, update, delete on remanence.message_vectors to remanence_app;

-- Conversations in which something was said that has no vector yet, over all organizations, which
-- take turns as in sweep_v1: ids and the model only.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.unembedded_v1(p_limit integer)
returns table (org_id text, conversation_id text, model text)
language sql stable security definer
set search_path = ''
as $$
    select conv.org_id, conv.id, agent.embedding
    from remanence.agents as agent
    join remanence.conversations as conv on conv.agent_id = agent.id
    where agent.embedding is not null
        and conv.next_seq > 1
        and (conv.vectors_model is distinct from agent.embedding
            or conv.vectors_to_seq <> conv.next_seq - 1)
    order by pg_catalog.row_number() over (
            partition by conv.org_id order by conv.last_message_at desc nulls last),
        conv.last_message_at desc nulls last
    limit p_limit
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
