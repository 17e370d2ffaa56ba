-- The tables, the run-time role and row-level security.
--
-- Every table carries its organization and is behind one policy; the run-time role has no way
-- around it. The schema is never `public`: a Supabase project serves `public` to its Data API.
-- The runner has created schema remanence, remanence.schema_migrations and extension vector.

do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'remanence_app') then
        create role remanence_app nologin noinherit nobypassrls;
    end if;
end
$$;
comment on schema remanence is 'Agents, their memory and their runs.';
grant usage on schema remanence to remanence_app;

-- The organization of the transaction, set by the caller; null when it was not set, and then
-- every policy below is false.
create function remanence.current_org() returns text
language sql stable parallel safe
as $$ select nullif(pg_catalog.current_setting('remanence.org_id', true), '') $$;

-- vector may be installed in any schema (`extensions` on Supabase): name its type once, here.
do $$
declare
    home text;
begin
    select n.nspname into strict home
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector';
    execute format(
        'create function remanence.to_halfvec(v real[]) returns %1$I.halfvec
         language sql immutable parallel safe as $f$ select v::%1$I.halfvec $f$', home);
    execute format(
        'create function remanence.cosine_distance(a %1$I.halfvec, b %1$I.halfvec)
         returns double precision language sql immutable parallel safe
         as $f$ select a operator(%1$I.<=>) b $f$', home);
    execute format('grant usage on schema %I to remanence_app', home);
end
$$;

-- Text as search compares it: lower case, one form of each character (full and half width,
-- composed and decomposed), no accents on Latin and Greek letters, no vowel marks in Hebrew and
-- Arabic. Russian short i keeps its mark: the stemmer knows endings by it.
-- The text is cut because one tsvector holds at most 1 MB.
create function remanence.fold(content text) returns text
language sql immutable parallel safe
as $$
    select normalize(regexp_replace(regexp_replace(
        translate(replace(normalize(lower(left(content, 50000)), NFKD), 'ß', 'ss'),
            'łøđħı', 'lodhi'),
        '([a-z\u0370-\u03ff\u0435])[\u0300-\u036f]+', '\1', 'g'),
        '[\u0591-\u05c7\u0640\u064b-\u0655\u0670]+', '', 'g'), NFC)
$$;
comment on function remanence.fold(text) is 'A text without what search does not distinguish.';

-- The words of a text for lexical search, without places and counts:
--   tea      a stem; Latin script as English, Cyrillic as Russian, Arabic as Arabic
--   =teas    a word as it is written, so that the exact form can count for more than its stem;
--            also of the words too common to have a stem here
--   #a-17    what holds together by signs: codes, versions, paths, addresses, decimal numbers
--   u茶 绿茶  characters and pairs of Chinese, Japanese, Korean and Thai, which are written
--            without spaces (or with spaces between more than words)
-- Cutting characters out by their number would be quadratic: 16 s for 50,000 of them against
-- 0.07 s (2026-11).
create function remanence.lexemes(content text) returns tsvector
language plpgsql immutable parallel safe
as $$
begin
    -- plpgsql keeps the plan for the session; an SQL function in a generated column would be
    -- parsed and planned anew by every insert (0.5 ms of the 0.7 that a message took)
    if content is null then
        return null;
    end if;
    return (
        select strip(to_tsvector('pg_catalog.russian', spaced.words))
            || case when spaced.words ~ '[\u0620-\u06ff]' then strip(to_tsvector('pg_catalog.arabic',
                regexp_replace(spaced.words, '[^\u0620-\u06ff]+', ' ', 'g'))) else '' end
            || coalesce((
                select array_to_tsvector(array_agg(distinct '=' || word.lexeme))
                from unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', spaced.words)))
                    as word (lexeme)), '')
            || coalesce((
                select array_to_tsvector(array_agg(distinct '#' || code.m[1]))
                from regexp_matches(
                    t.folded, '([a-z0-9_]+(?:[-_./:@#+][a-z0-9_]+)+)', 'g') as code (m)
                where length(code.m[1]) <= 200), '')
            || coalesce((
                select array_to_tsvector(array_agg(distinct gram.lexeme))
                from (
                    select chars.char, lead(chars.char) over (
                        partition by run.place order by chars.place) as following
                    from regexp_matches(t.folded, '(' || t.unspaced || ')', 'g')
                            with ordinality as run (m, place),
                         string_to_table(run.m[1], null) with ordinality as chars (char, place)
                ) as pair
                cross join lateral (values ('u' || pair.char), (pair.char || pair.following))
                    as gram (lexeme)
                where gram.lexeme is not null), '')
        from (
            select remanence.fold(content) as folded,
                   '[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+'
                       as unspaced
        ) as t
        cross join lateral (
            select regexp_replace(
                regexp_replace(t.folded, t.unspaced, ' ', 'g'), '[-_./:@#+]+', ' ', 'g') as words
        ) as spaced
    );
end
$$;
comment on function remanence.lexemes(text) is 'Search words of a text, in any script.';

-- What was said in a message, as recall search reads it: its text, and the text an agent said
-- through send_message. Tool returns are not speech.
create function remanence.said(role text, parts jsonb) returns text
language plpgsql immutable parallel safe
as $$
declare
    part jsonb;
    said text := '';
begin
    if role not in ('user', 'assistant', 'system') then
        return null;
    end if;
    for part in select value from jsonb_array_elements(parts) loop
        if part ->> 'type' = 'text' then
            said := said || ' ' || (part ->> 'text');
        elsif part ->> 'type' = 'tool_call' and part ->> 'name' = 'send_message' then
            begin
                said := said || ' ' || coalesce((part ->> 'arguments')::jsonb ->> 'message', '');
            exception when others then null;  -- arguments that are not JSON: nothing was said
            end;
        end if;
    end loop;
    return nullif(ltrim(said), '');
end
$$;

-- Foreign keys stand where a row is made rarely. On the hot tables (runs, steps, messages,
-- summaries) the one to the conversation or run carries the cascade; each more costs a lookup
-- per row of every step.
create table remanence.organizations (
    id text primary key,
    name text not null,
    created_at timestamptz not null default now()
);

create table remanence.agents (
    id text primary key,
    org_id text not null references remanence.organizations (id),
    name text not null,
    agent_type text not null,
    system text not null,
    model text not null,                        -- provider/name
    embedding text,                             -- provider/name; null: lexical search only
    description text,
    context_window_limit integer not null,      -- tokens
    model_settings jsonb not null default '{}',
    compaction_settings jsonb not null default '{}',
    tool_rules jsonb not null default '[]',
    tags text[] not null default '{}',
    metadata jsonb not null default '{}',
    timezone text not null default 'UTC',       -- IANA name
    message_buffer_autoclear boolean not null default false,
    hidden boolean not null default false,
    extras jsonb not null default '{}',         -- fields of the protocol without behaviour here
    version integer not null default 1,         -- grows with the row, its tools and its blocks
    last_stop_reason text,
    last_run_completion timestamptz,
    last_run_duration_ms bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint agents_context_window_check check (context_window_limit > 0)
);
-- agents.list: newest first, by name, by tag
create index agents_org_created_idx on remanence.agents (org_id, created_at, id);
create index agents_org_name_idx on remanence.agents (org_id, name);
create index agents_tags_idx on remanence.agents using gin (tags);

create table remanence.blocks (
    id text primary key,
    org_id text not null references remanence.organizations (id),
    label text not null,
    value text not null,
    "limit" integer not null,                   -- characters
    description text,
    read_only boolean not null default false,
    metadata jsonb not null default '{}',
    tags text[] not null default '{}',
    hidden boolean not null default false,
    extras jsonb not null default '{}',
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint blocks_limit_check check ("limit" > 0),
    constraint blocks_value_check check (length(value) <= "limit")
);
-- blocks.list: by time, by label
create index blocks_org_created_idx on remanence.blocks (org_id, created_at, id);
create index blocks_org_label_idx on remanence.blocks (org_id, label);

-- Every value a block ever had, with what wrote it. The newest row equals the block.
create table remanence.block_versions (
    org_id text not null,
    block_id text not null references remanence.blocks (id) on delete cascade,
    version integer not null,
    value text not null,
    step_id text,                               -- the step that wrote it; null: the API
    tool_call_id text,
    created_at timestamptz not null default now(),
    primary key (block_id, version)
);

create table remanence.agents_blocks (
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    block_id text not null references remanence.blocks (id) on delete cascade,
    label text not null,                        -- the block's, so that it is unique per agent
    position integer not null,                  -- order in the context
    primary key (agent_id, block_id),
    constraint agents_blocks_label_unique unique (agent_id, label) deferrable initially immediate
);
-- blocks.agents.list, and which agents see an edit
create index agents_blocks_block_idx on remanence.agents_blocks (block_id);

create table remanence.tools (
    id text primary key,
    org_id text not null references remanence.organizations (id),
    name text not null,
    description text not null default '',
    tool_type text not null,
    parameters jsonb not null,                  -- JSON schema of the arguments
    source_code text,
    return_char_limit integer not null default 50000,
    default_requires_approval boolean not null default false,
    tags text[] not null default '{}',
    metadata jsonb not null default '{}',
    extras jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint tools_name_unique unique (org_id, name)
);

create table remanence.agents_tools (
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    tool_id text not null references remanence.tools (id) on delete cascade,
    position integer not null,
    requires_approval boolean,                  -- null: as the tool says
    primary key (agent_id, tool_id)
);
create index agents_tools_tool_idx on remanence.agents_tools (tool_id);

-- A thread of an agent: its history, its window, and the lease of whoever steps it.
create table remanence.conversations (
    id text primary key,
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    is_default boolean not null default false,
    summary text,                               -- a title given by the caller
    extras jsonb not null default '{}',
    next_seq bigint not null default 1,         -- of the next message
    next_ord bigint not null default 1,         -- of the next run
    window_from_seq bigint not null default 1,  -- messages from here on are in context
    window_tokens integer not null default 0,   -- estimate of the next request's size
    anchor jsonb not null default '{}',         -- {prompt_tokens, estimate, ratio}
    epoch jsonb,                                -- the system part that stands still: {system, key, tokens}
    epoch_seen jsonb,                           -- {seen: {block id: version}, note_tokens}
    fence bigint not null default 0,            -- grows with every claim
    lease_token text,
    lease_until timestamptz,
    claims integer not null default 0,          -- since the last commit: a poisoned step grows it
    pending_message_id text,                    -- the approval request that waits for an answer
    pending_call_ids text[] not null default '{}',
    pending_since timestamptz,
    last_message_at timestamptz,
    compaction_tried_at timestamptz,            -- when there was nothing to move
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
-- the default conversation of an agent; conversations.list
create unique index conversations_default_idx on remanence.conversations (agent_id) where is_default;
create index conversations_agent_created_idx on remanence.conversations (agent_id, created_at, id);
-- the sweep: what is over its threshold
create index conversations_window_tokens_idx on remanence.conversations (window_tokens);

create table remanence.runs (
    id text primary key,
    org_id text not null,
    agent_id text not null,
    conversation_id text not null references remanence.conversations (id) on delete cascade,
    ord bigint not null,                        -- order of the runs of a conversation
    status text not null,
    stop_reason text,
    background boolean not null default false,
    cancel_requested boolean not null default false,
    options jsonb not null,                     -- what the caller asked (RunOptions)
    input jsonb not null,                       -- messages that came with it, durable from the start
    idempotency_key text,
    request_hash text,
    metadata jsonb not null default '{}',
    error jsonb,                                -- {type, message} of a failed run
    created_at timestamptz not null default now(),
    started_at timestamptz,
    completed_at timestamptz,
    ttft_ns bigint,
    callback_url text,                          -- told when the run is over
    callback_method text,                       -- POST or PUT
    callback_due_at timestamptz,                -- of the next try; null: nobody has to be told
    callback_tries integer not null default 0,
    callback_sent_at timestamptz,               -- how the last try went:
    callback_status_code integer,
    callback_error text,
    constraint runs_status_check
        check (status in ('created', 'running', 'completed', 'failed', 'cancelled')),
    constraint runs_ord_unique unique (conversation_id, ord)
);
-- the oldest unfinished run of a conversation; the sweep over hanging runs
create index runs_unfinished_idx on remanence.runs (conversation_id, ord)
    where status in ('created', 'running');
-- the same request sent twice
create unique index runs_idempotency_idx on remanence.runs (conversation_id, idempotency_key)
    where idempotency_key is not null;
-- the sweep over callbacks
create index runs_callback_idx on remanence.runs (callback_due_at)
    where callback_due_at is not null;
-- runs.list
create index runs_org_created_idx on remanence.runs (org_id, created_at, id);
create index runs_agent_created_idx on remanence.runs (agent_id, created_at, id);

create table remanence.steps (
    id text primary key,
    org_id text not null,
    agent_id text not null,
    conversation_id text not null,
    run_id text not null references remanence.runs (id) on delete cascade,
    step_no integer not null,                   -- from 1
    lease_token text not null,                  -- of the worker that committed it
    status text not null,
    stop_reason text,
    model text not null,                        -- provider/name
    context_window_limit integer not null,      -- tokens
    prompt_tokens integer not null default 0,
    completion_tokens integer not null default 0,
    cached_input_tokens integer not null default 0,
    cache_write_tokens integer not null default 0,
    reasoning_tokens integer not null default 0,
    called_tools text[] not null default '{}',
    error jsonb,                                -- {type, message}
    receipt jsonb not null default '{}',        -- what its context was compiled from
    feedback text,
    llm_ns bigint,                              -- time in the model call
    step_ns bigint,                             -- time in the whole step, without the commit
    started_at timestamptz not null,
    created_at timestamptz not null default now(),
    constraint steps_status_check check (status in ('pending', 'success', 'failed', 'cancelled')),
    constraint steps_no_unique unique (run_id, step_no)
);
-- steps.list
create index steps_org_created_idx on remanence.steps (org_id, created_at, id);
create index steps_agent_created_idx on remanence.steps (agent_id, created_at, id);

create table remanence.messages (
    conversation_id text not null references remanence.conversations (id) on delete cascade,
    seq bigint not null,                        -- dense and ascending within the conversation
    id text not null,
    org_id text not null,
    agent_id text not null,
    run_id text,
    step_id text,
    role text not null,
    parts jsonb not null,                       -- [{type: text | image | reasoning | tool_call | tool_return, ...}]
    name text,
    otid text,
    sender_id text,
    tokens integer not null default 0,          -- estimate
    lexemes tsvector generated always as (
        coalesce(remanence.lexemes(name), '') || remanence.lexemes(remanence.said(role, parts))
    ) stored,
    created_at timestamptz not null default now(),
    primary key (conversation_id, seq),
    constraint messages_id_unique unique (id),
    constraint messages_role_check
        check (role in ('system', 'user', 'assistant', 'tool', 'approval', 'summary'))
);
-- recall search over all conversations of an agent, and messages.list
create index messages_agent_created_idx on remanence.messages (agent_id, created_at, id);
-- runs.messages.list, steps.messages.list
create index messages_run_idx on remanence.messages (run_id, seq);

-- Text that stands for a span of messages which left the window. A summary without a parent is
-- in context; every message before the window is covered by exactly one of those.
create table remanence.summaries (
    id text primary key,
    org_id text not null,
    agent_id text not null,
    conversation_id text not null references remanence.conversations (id) on delete cascade,
    level integer not null,                     -- 0: covers messages; n + 1: covers level n
    from_seq bigint not null,                   -- inclusive
    to_seq bigint not null,                     -- inclusive
    text text not null,
    tokens integer not null,                    -- estimate
    model text not null,                        -- the handle that wrote it, or 'extractive'
    parent_id text references remanence.summaries (id),
    step_id text,                               -- the step that needed it; null: the sweep
    created_at timestamptz not null default now(),
    constraint summaries_span_check check (from_seq <= to_seq)
);
-- what stands in the window before its first message
create index summaries_roots_idx on remanence.summaries (conversation_id, from_seq)
    where parent_id is null;
create index summaries_parent_idx on remanence.summaries (parent_id);

create table remanence.archives (
    id text primary key,
    org_id text not null references remanence.organizations (id),
    name text not null,
    description text,
    embedding text,                             -- provider/name; null: lexical search only
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index archives_org_created_idx on remanence.archives (org_id, created_at, id);

create table remanence.archives_agents (
    org_id text not null,
    agent_id text not null references remanence.agents (id) on delete cascade,
    archive_id text not null references remanence.archives (id) on delete cascade,
    is_owner boolean not null default false,    -- made for this agent: its own inserts go here
    created_at timestamptz not null default now(),
    primary key (agent_id, archive_id)
);
create index archives_agents_archive_idx on remanence.archives_agents (archive_id);

create table remanence.passages (
    id text primary key,
    org_id text not null,
    archive_id text not null references remanence.archives (id) on delete cascade,
    text text not null,
    tags text[] not null default '{}',
    metadata jsonb not null default '{}',
    step_id text,                               -- the step that wrote it; null: the API
    tool_call_id text,
    lexemes tsvector generated always as (remanence.lexemes(text)) stored,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint passages_text_check check (text <> '')
);
-- archival listing, and every search: the scan is over one archive, never over the table
create index passages_archive_created_idx on remanence.passages (archive_id, created_at, id);

-- Vectors live apart from their text and inline (PLAIN): an exact scan over one archive reads
-- 2-3 times less. No global HNSW: it lowers recall for exactly the owners with most passages.
create table remanence.passage_vectors (
    passage_id text primary key references remanence.passages (id) on delete cascade,
    org_id text not null,
    archive_id text not null references remanence.archives (id) on delete cascade,
    model text not null,                        -- handle that made it; only equal ones compare
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
        'alter table remanence.passage_vectors add column embedding %I.halfvec not null', home);
end
$$;
alter table remanence.passage_vectors alter column embedding set storage plain;
create index passage_vectors_archive_idx on remanence.passage_vectors (archive_id, model);

-- One policy per table, for the run-time role only; grants alone would not pass it.
do $$
declare
    name text;
    owner_column text;
begin
    foreach name in array array[
        'organizations', 'agents', 'blocks', 'block_versions', 'agents_blocks', 'tools',
        'agents_tools', 'conversations', 'runs', 'steps', 'messages', 'summaries', 'archives',
        'archives_agents', 'passages', 'passage_vectors'
    ] loop
        owner_column := case name when 'organizations' then 'id' else 'org_id' end;
        execute format('alter table remanence.%I enable row level security', name);
        execute format(
            'create policy %I on remanence.%I to remanence_app
             using (%I = remanence.current_org()) with check (%I = remanence.current_org())',
            name || '_of_org', name, owner_column, owner_column);
        execute format('revoke all on remanence.%I from public', name);
        execute format(
            'grant select, insert, update, delete on remanence.%I to remanence_app', name);
    end loop;
end
$$;

-- The organization of a deployment without tenants.
insert into remanence.organizations (id, name)
values ('org-00000000-0000-4000-8000-000000000000', 'Default');
