-- Vectors of texts that were embedded lately, so that the same text is not paid twice: repeated
-- questions, edits to and fro, imports that are sent again. Found by a hash of the whole text only;
-- bounded in number and time; what was made of a passage goes when no version of it is left.
create table remanence.remembered_vectors (
    org_id text not null,
    hash bytea not null,
    model text not null,
    used_at timestamptz not null default now(),
    constraint remembered_vectors_pkey primary key (org_id, hash, model)
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
        'alter table remanence.remembered_vectors add column embedding %I.halfvec not null', home);
end
$$;
alter table remanence.remembered_vectors alter column embedding set storage plain;
create index remembered_vectors_used_idx on remanence.remembered_vectors (org_id, used_at);
create index remembered_vectors_age_idx on remanence.remembered_vectors (used_at);
comment on table remanence.remembered_vectors is 'Vectors of texts that were embedded lately.';
comment on column remanence.remembered_vectors.org_id is 'Whose text it was.';
comment on column remanence.remembered_vectors.hash is 'SHA-256 of the text in UTF-8.';
comment on column remanence.remembered_vectors.model is 'Handle that made it.';
comment on column remanence.remembered_vectors.used_at is 'When it was last needed, to the hour.';
comment on column remanence.remembered_vectors.embedding is 'The vector, in half precision.';
alter table remanence.remembered_vectors enable row level security;
create policy remembered_vectors_of_org on remanence.remembered_vectors to remanence_app
using (org_id = remanence.current_org()) with check (org_id = remanence.current_org());
revoke all on remanence.remembered_vectors from public;
grant select, insert, update, delete on remanence.remembered_vectors to remanence_app;

-- p: org_id, model, hashes [hex]
-- returns {hash: [number]} of those that are remembered
create function remanence.vectors_find_v1(p jsonb) returns jsonb
language plpgsql
as $$
declare
    wanted bytea[] := array(
        select decode(hash, 'hex') from jsonb_array_elements_text(p -> 'hashes') as hash);
begin
    perform remanence.enter_org(p ->> 'org_id');
    -- who is refreshed by somebody else just now needs it not
    update remanence.remembered_vectors as kept
    set used_at = clock_timestamp()
    from (
        select old.hash, old.model from remanence.remembered_vectors as old
        where old.org_id = p ->> 'org_id' and old.hash = any(wanted) and old.model = p ->> 'model'
            and old.used_at < clock_timestamp() - interval '1 hour'
        for update skip locked
    ) as old
    where kept.org_id = p ->> 'org_id' and kept.hash = old.hash and kept.model = old.model;
    return (
        select coalesce(
            jsonb_object_agg(encode(kept.hash, 'hex'), kept.embedding::text::jsonb), '{}')
        from remanence.remembered_vectors as kept
        where kept.org_id = p ->> 'org_id' and kept.hash = any(wanted)
            and kept.model = p ->> 'model');
end
$$;

-- Remembers vectors, and forgets those needed longest ago beyond p.most of the organization.
--
-- p: org_id, model, vectors {hash: [number]}, most
create function remanence.vectors_keep_v1(p jsonb) returns void
language plpgsql
as $$
begin
    perform remanence.enter_org(p ->> 'org_id');
    insert into remanence.remembered_vectors as kept (org_id, hash, model, embedding)
    select p ->> 'org_id', decode(given.key, 'hex'), p ->> 'model', remanence.to_halfvec(array(
        select value::real from jsonb_array_elements_text(given.value) as value))
    from jsonb_each(p -> 'vectors') as given
    order by given.key
    on conflict (org_id, hash, model) do update
    set embedding = excluded.embedding, used_at = clock_timestamp();
    delete from remanence.remembered_vectors as old
    using (
        select surplus.hash, surplus.model from remanence.remembered_vectors as surplus
        where surplus.org_id = p ->> 'org_id'
        order by surplus.used_at desc offset (p ->> 'most')::integer
    ) as surplus
    where old.org_id = p ->> 'org_id' and old.hash = surplus.hash and old.model = surplus.model;
end
$$;

-- Forgets what nobody has needed for so long, over all organizations; how many there were.
-- SECURITY DEFINER because the run-time role sees one organization at a time.
create function remanence.vectors_forget_v1(p_hours integer) returns bigint
language sql security definer
set search_path = ''
as $$
    with gone as (
        delete from remanence.remembered_vectors
        where used_at < pg_catalog.clock_timestamp() - p_hours * interval '1 hour'
        returning 1
    )
    select pg_catalog.count(*) from gone
$$;

-- What was made of texts that are gone for good; of long ones the beginning may have been embedded.
create function remanence.forget_texts_v1(p_org_ids text[], p_texts text[]) returns void
language sql
as $$
    delete from remanence.remembered_vectors as kept
    using unnest(p_org_ids, p_texts) as gone (org_id, text)
    where kept.org_id = gone.org_id and kept.hash in (
        sha256(convert_to(gone.text, 'UTF8')), sha256(convert_to(left(gone.text, 8000), 'UTF8')))
$$;

create function remanence.forget_passages_v1() returns trigger
language plpgsql
as $$
begin
    perform remanence.forget_texts_v1(array_agg(gone.org_id), array_agg(gone.text)) from gone;
    return null;
end
$$;

create function remanence.forget_passage_versions_v1() returns trigger
language plpgsql
as $$
begin
    perform remanence.forget_texts_v1(
        array_agg(gone.org_id), array_agg(gone.passage ->> 'text'))
    from gone where gone.passage is not null;
    return null;
end
$$;

create trigger passages_forget after delete on remanence.passages
referencing old table as gone
for each statement execute function remanence.forget_passages_v1();
create trigger passage_versions_forget after delete on remanence.passage_versions
referencing old table as gone
for each statement execute function remanence.forget_passage_versions_v1();

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
