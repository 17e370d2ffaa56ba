-- Searches of large scopes. Up to some thousand texts a search ranks all that its owner has; of
-- more, it now ranks candidates with what stands around them, and still counts all: how many texts
-- there are, how long they are, and in how many of them each word is. One scan does it, in which
-- texts with the same words of the question are one group; the rest costs the same for any size.
--
-- Candidates are the texts that words alone rank highest and those nearest by their vectors. Each
-- comes with its neighbours, so that they are ranked as they would be among all others.

-- What a word is worth that is in p_found of p_texts texts.
create function remanence.worth_v1(
    p_weight real, p_texts double precision, p_found double precision) returns double precision
language sql immutable parallel safe
as $$
    select p_weight * ln(1 + greatest(0, p_texts - p_found + 0.5) / (p_found + 0.5))
$$;

-- As rank_by_words_v2. When the texts given are only a part of a scope: p_texts is how many texts
-- it has, p_size how many words they have on average, p_matched how many have any word of the
-- question, p_found[term] how many have that one. Null: they are counted here.
create function remanence.rank_by_words_v3(
    p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[],
    p_moments timestamptz[], p_hit_places integer[], p_hit_terms integer[],
    p_around double precision, p_texts double precision, p_size double precision,
    p_matched double precision, p_found integer[])
returns table (place integer, relevance double precision)
language sql stable parallel safe
rows 500
-- the planner takes every array for ten rows, and would join ten thousand row by row
set enable_nestloop to off
as $$
    with hits as materialized (
        select hit.place, hit.term, scope.typical / (p_words[hit.place] + 60) as share,
            p_threads[hit.place] as thread, p_moments[hit.place] as moment
        from unnest(p_hit_places, p_hit_terms) as hit (place, term)
        cross join (
            select 60 + coalesce(p_size, avg(size.words)::double precision) as typical
            from unnest(p_words) as size (words)
        ) as scope
    ),
    matched as (
        select coalesce(p_matched, count(distinct hits.place)) as texts from hits
    ),
    terms as materialized (
        select had.term, remanence.worth_v1(p_weights[had.term],
            case when p_is_common[had.term] then matched.texts
                else coalesce(p_texts, cardinality(p_words)) end, had.texts) as worth
        from (
            select hits.term, coalesce(p_found[hits.term], count(*)) as texts
            from hits
            group by hits.term
        ) as had
        cross join matched
    ),
    seeds as (
        select own.place
        from (
            select hits.place, sum(terms.worth * hits.share / (hits.share + 1.1)) as relevance
            from hits
            join terms on terms.term = hits.term
            group by hits.place
        ) as own
        order by own.relevance desc, own.place desc
        limit 400
    ),
    steps (step, share) as (
        values (0, 1.0::double precision), (-1, 0.36 * p_around), (-2, 0.18 * p_around),
            (-3, 0.09 * p_around), (1, 0.27 * p_around), (2, 0.14 * p_around), (3, 0.05 * p_around)
    ),
    area as materialized (
        select distinct seeds.place - steps.step as place
        from seeds
        cross join steps
        where seeds.place - steps.step between 1 and cardinality(p_words)
            and steps.share > 0
    ),
    heard as (
        select area.place, hits.term, sum(steps.share * hits.share) as share
        from area
        cross join steps
        join hits on hits.place = area.place + steps.step
        where steps.step = 0 or (
            hits.thread = p_threads[area.place]
            and hits.moment <> p_moments[area.place]
            and hits.moment between p_moments[area.place] - interval '1 hour'
                and p_moments[area.place] + interval '1 hour')
        group by area.place, hits.term
    )
    select heard.place, sum(terms.worth * heard.share / (heard.share + 1.1))
    from heard
    join terms on terms.term = heard.term
    group by heard.place
    having sum(heard.share) > 0
$$;

-- As rank_by_vector_v1; p_usual: what texts of the whole scope have on average, null: these are
-- all of them.
create function remanence.rank_by_vector_v2(
    p_threads integer[], p_moments timestamptz[], p_likeness double precision[],
    p_around double precision, p_usual double precision)
returns table (place integer, likeness double precision, nearness double precision)
language sql stable parallel safe
rows 1000
as $$
    select around.place, around.likeness, around.likeness + p_around * (
        0.18 * coalesce(around.before_1, around.usual)
        + 0.06 * coalesce(around.before_2, around.usual)
        + 0.12 * coalesce(around.after_1, around.usual)
        + 0.03 * coalesce(around.after_2, around.usual))
    from (
        select told.place, told.likeness, coalesce(p_usual, avg(told.likeness) over ()) as usual,
            case when told.moment - lag(told.moment) over thread <= interval '1 hour'
                    and told.moment > lag(told.moment) over thread
                then lag(told.likeness) over thread end as before_1,
            case when told.moment - lag(told.moment, 2) over thread <= interval '1 hour'
                    and told.moment > lag(told.moment, 2) over thread
                then lag(told.likeness, 2) over thread end as before_2,
            case when lead(told.moment) over thread - told.moment <= interval '1 hour'
                    and lead(told.moment) over thread > told.moment
                then lead(told.likeness) over thread end as after_1,
            case when lead(told.moment, 2) over thread - told.moment <= interval '1 hour'
                    and lead(told.moment, 2) over thread > told.moment
                then lead(told.likeness, 2) over thread end as after_2
        from (
            select told.place::integer as place, told.thread, told.moment, told.likeness
            from unnest(p_threads, p_moments, p_likeness) with ordinality
                as told (thread, moment, likeness, place)
            where told.likeness is not null
        ) as told
        window thread as (partition by told.thread order by told.place)
    ) as around
$$;

-- As rank_v1; the last five arguments as in rank_by_words_v3 and rank_by_vector_v2.
create function remanence.rank_v2(
    p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[],
    p_moments timestamptz[], p_likeness double precision[], p_hit_places integer[],
    p_hit_terms integer[], p_starts timestamptz[], p_ends timestamptz[],
    p_around double precision, p_keep integer, p_texts double precision, p_size double precision,
    p_matched double precision, p_found integer[], p_usual double precision)
returns table (
    place integer, relevance double precision, likeness double precision,
    lexical_rank bigint, vector_rank bigint, near double precision, weight double precision)
language sql stable parallel safe
rows 100
as $$
    with by_words as (
        select ranked.place, ranked.relevance,
            row_number() over (order by ranked.relevance desc, ranked.place desc) as rank
        from remanence.rank_by_words_v3(
            p_weights, p_is_common, p_words, p_threads, p_moments, p_hit_places, p_hit_terms,
            p_around, p_texts, p_size, p_matched, p_found) as ranked
        where p_hit_places is not null
    ),
    by_vector as (
        select ranked.place, ranked.likeness, ranked.nearness,
            row_number() over (order by ranked.likeness desc, ranked.place desc) as rank
        from remanence.rank_by_vector_v2(
            p_threads, p_moments, p_likeness, p_around, p_usual) as ranked
    ),
    usual (nearness) as (
        select p_usual * (1 + 0.39 * p_around)  -- and that of its neighbours
    ),
    legs as (
        select coalesce(by_words.place, by_vector.place) as place, by_words.relevance,
            by_vector.likeness, by_words.rank as lexical_rank, by_vector.rank as vector_rank,
            coalesce(by_words.relevance / nullif(max(by_words.relevance) over (), 0), 0)
                + coalesce(coalesce(by_vector.nearness, usual.nearness,
                        avg(by_vector.nearness) over ())
                    / nullif(max(by_vector.nearness) over (), 0), 0) as weight
        from by_words
        full join by_vector on by_vector.place = by_words.place
        cross join usual
    )
    select legs.place, legs.relevance, legs.likeness, legs.lexical_rank, legs.vector_rank,
        timed.near, legs.weight
    from legs
    cross join lateral (
        select remanence.nearness_v1(p_moments[legs.place], p_starts, p_ends) as near
        offset 0
    ) as timed
    order by legs.weight * (1 + timed.near) desc, legs.place desc
    limit p_keep
$$;

-- How much of its words' worth a text gets when nothing stands around it, as in rank_by_words_v3,
-- where all words of one text have the same share.
create function remanence.share_v1(p_size double precision, p_words integer)
returns double precision
language sql immutable parallel safe
as $$
    select (60 + p_size) / (60 + p_size + 1.1 * (60 + p_words))
$$;

-- What was said in an agent's conversations, or in one of them; null: any.
create function remanence.speech_v1(
    p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamptz, p_to timestamptz)
returns setof remanence.messages
language sql stable parallel safe
as $$
    select msg.*
    from remanence.messages as msg
    where msg.org_id = (select remanence.current_org())
        and (p_agent_id is null or msg.agent_id = p_agent_id)
        and (p_conversation_id is null or msg.conversation_id = p_conversation_id)
        and (msg.role in ('user', 'assistant')
            or msg.role = 'system' and msg.role = any (p_roles))
        and msg.lexemes is not null
        and (p_from is null or msg.created_at >= p_from)
        and (p_to is null or msg.created_at <= p_to)
$$;

-- Candidates of a search of messages (sql/search_messages.sql, whose parameters these are).
-- Places are dense, `thread` is a stretch of one conversation without a gap. The first row also has
-- the figures of the whole scope for rank_v2, the others have null.
create function remanence.message_candidates_v1(
    p_agent_id text, p_conversation_id text, p_roles text[], p_from timestamptz, p_to timestamptz,
    p_view_conversation_id text, p_view_from_seq bigint, p_keys tsquery, p_queries tsquery[],
    p_weights real[], p_is_common boolean[], p_embedding real[], p_model text)
returns table (
    id text, created_at timestamptz, role text, place integer, thread integer, words integer,
    terms integer[], likeness double precision, is_wanted boolean, texts double precision,
    size double precision, matched double precision, found integer[], usual double precision)
language plpgsql stable parallel safe
rows 5000
set plan_cache_mode to force_custom_plan
-- the groups of the scan, and the distances: some 60 bytes for each text
set work_mem to '64MB'
-- an owner's texts are read by its index, not those of the whole table
set random_page_cost to 1.1
as $$
#variable_conflict use_column
begin
    return query
    with terms as materialized (
        select asked.query, asked.term::integer as term
        from unnest(p_queries) with ordinality as asked (query, term)
    ),
    alike as materialized (
        select said.terms, count(*)::double precision as texts, sum(said.words) as words,
            array_agg(said.id) filter (where said.terms is not null) as ids,
            array_agg(said.words) filter (where said.terms is not null) as sizes,
            array_agg(said.created_at) filter (where said.terms is not null) as moments
        from (
            select msg.id, msg.created_at, length(msg.lexemes) as words,
                case when msg.lexemes @@ p_keys then array(
                    select terms.term from terms where msg.lexemes @@ terms.query) end as terms
            from remanence.speech_v1(p_agent_id, p_conversation_id, p_roles, p_from, p_to) as msg
            offset 0
        ) as said
        group by said.terms
    ),
    whole as materialized (
        select sum(alike.texts) as texts, (sum(alike.words) / sum(alike.texts))::double precision
                as size,
            coalesce(sum(alike.texts) filter (where alike.terms is not null), 0) as matched
        from alike
    ),
    counted as materialized (
        select terms.term, coalesce(sum(alike.texts), 0) as texts
        from terms
        left join (alike cross join lateral unnest(alike.terms) as had (term))
            on had.term = terms.term
        group by terms.term
    ),
    worth as materialized (
        select counted.term, remanence.worth_v1(p_weights[counted.term],
            case when p_is_common[counted.term] then whole.matched else whole.texts end,
            counted.texts) as worth
        from counted
        cross join whole
    ),
    by_words as (
        select one.id
        from (
            select alike.ids, alike.sizes, alike.moments, (
                select sum(worth.worth)
                from unnest(alike.terms) as had (term)
                join worth on worth.term = had.term) as worth
            from alike
            where alike.terms is not null
            offset 0  -- once for each group
        ) as alike
        cross join whole
        cross join lateral unnest(alike.ids, alike.sizes, alike.moments)
            as one (id, words, moment)
        order by alike.worth * remanence.share_v1(whole.size, one.words) desc, one.moment desc,
            one.id desc
        limit 400
    ),
    asked (vector, is_for_all) as materialized (
        select remanence.to_halfvec(p_embedding), p_conversation_id is null and p_from is null
            and p_to is null and p_roles @> array['user', 'assistant']
    ),
    compared as materialized (
        select stored.message_id as id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.message_vectors as stored
        where (select asked.is_for_all from asked)
            and stored.agent_id = p_agent_id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        union all
        select stored.message_id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked)))
        from remanence.speech_v1(p_agent_id, p_conversation_id, p_roles, p_from, p_to) as msg
        join remanence.message_vectors as stored on stored.message_id = msg.id
        where not (select asked.is_for_all from asked)
            and msg.role = any (p_roles)
            and stored.agent_id = p_agent_id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
    ),
    by_vector as (
        select nearest.id
        from (
            select compared.* from compared order by compared.likeness desc, compared.id offset 0
        ) as nearest
        cross join lateral (
            select
            from remanence.speech_v1(null, null, p_roles, null, null) as msg
            where msg.id = nearest.id
                and msg.role = any (p_roles)
                and (p_view_from_seq is null
                    or msg.conversation_id <> p_view_conversation_id or msg.seq < p_view_from_seq)
            limit 1  -- asked of the nearest only, until there are enough
        ) as wanted
        order by nearest.likeness desc, nearest.id
        limit 400
    ),
    seeds as (
        select msg.conversation_id, msg.seq, max(seed.reach) as reach
        from (
            select by_words.id, 6 as reach from by_words
            union all
            select by_vector.id, 3 from by_vector
        ) as seed
        cross join lateral (
            select msg.conversation_id, msg.seq
            from remanence.messages as msg
            where msg.id = seed.id
            offset 0  -- one by one, by key
        ) as msg
        group by msg.conversation_id, msg.seq
    ),
    near as (
        -- what stands around several seeds is read for each; which text follows one is not known
        -- of the last around a seed
        select distinct on (around.conversation_id, around.seq) around.*
        from seeds
        cross join lateral (
            select part.*, lead(part.id) over (order by part.seq) as next_id
            from (
                (select msg.conversation_id, msg.seq, msg.id, msg.created_at, msg.role, msg.lexemes
                from remanence.speech_v1(null, null, p_roles, p_from, p_to) as msg
                where msg.conversation_id = seeds.conversation_id and msg.seq <= seeds.seq
                order by msg.seq desc
                limit 1 + seeds.reach)
                union all
                (select msg.conversation_id, msg.seq, msg.id, msg.created_at, msg.role, msg.lexemes
                from remanence.speech_v1(null, null, p_roles, p_from, p_to) as msg
                where msg.conversation_id = seeds.conversation_id and msg.seq > seeds.seq
                order by msg.seq
                limit seeds.reach)
            ) as part
        ) as around
        order by around.conversation_id, around.seq, around.next_id nulls last
    ),
    spoken as (
        select placed.*, (count(*) filter (where placed.is_apart) over (order by placed.place))
                ::integer as thread
        from (
            select near.*, (row_number() over in_order)::integer as place,
                lag(near.next_id) over in_order is distinct from near.id as is_apart
            from near
            window in_order as (order by near.conversation_id, near.seq)
        ) as placed
    )
    select spoken.id, spoken.created_at, spoken.role, spoken.place, spoken.thread,
        length(spoken.lexemes),
        case when spoken.lexemes @@ p_keys then array(
            select terms.term from terms where spoken.lexemes @@ terms.query) end,
        near.likeness,
        spoken.role = any (p_roles) and (p_view_from_seq is null
            or spoken.conversation_id <> p_view_conversation_id or spoken.seq < p_view_from_seq),
        whole.texts, whole.size, whole.matched,
        case when spoken.place = 1 then (
            select array_agg(counted.texts::integer order by counted.term) from counted) end,
        case when spoken.place = 1 then (select avg(compared.likeness) from compared) end
    from spoken
    left join lateral (
        select greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.message_vectors as stored
        where stored.message_id = spoken.id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        offset 0
    ) as near on true
    left join whole on spoken.place = 1;
end
$$;

-- The passages of archives that a search may find (sql/search_passages.sql: `eligible`).
create function remanence.eligible_passages_v1(
    p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamptz,
    p_to timestamptz, p_as_of timestamptz)
returns setof remanence.passages
language sql stable parallel safe
as $$
    select passage.*
    from remanence.passages as passage
    where passage.archive_id = any (p_archive_ids)
        and (p_tags is null or case when p_match_all_tags
            then passage.tags @> p_tags else passage.tags && p_tags end)
        and (p_from is null or passage.created_at >= p_from)
        and (p_to is null or passage.created_at <= p_to)
        and (passage.valid_to is null or passage.valid_to > coalesce(p_as_of, now()))
        and (p_as_of is null or passage.valid_from is null or passage.valid_from <= p_as_of)
$$;

-- Candidates of a search of passages, as message_candidates_v1; their order is that of an archive
-- by time.
create function remanence.passage_candidates_v1(
    p_archive_ids text[], p_tags text[], p_match_all_tags boolean, p_from timestamptz,
    p_to timestamptz, p_as_of timestamptz, p_keys tsquery, p_queries tsquery[],
    p_weights real[], p_is_common boolean[], p_embedding real[], p_model text)
returns table (
    id text, created_at timestamptz, place integer, thread integer, words integer,
    terms integer[], likeness double precision, texts double precision, size double precision,
    matched double precision, found integer[], usual double precision)
language plpgsql stable parallel safe
rows 5000
set plan_cache_mode to force_custom_plan
set work_mem to '64MB'
set random_page_cost to 1.1
as $$
#variable_conflict use_column
begin
    return query
    with terms as materialized (
        select asked.query, asked.term::integer as term
        from unnest(p_queries) with ordinality as asked (query, term)
    ),
    alike as materialized (
        select said.terms, count(*)::double precision as texts, sum(said.words) as words,
            array_agg(said.id) filter (where said.terms is not null) as ids,
            array_agg(said.words) filter (where said.terms is not null) as sizes,
            array_agg(said.created_at) filter (where said.terms is not null) as moments
        from (
            select passage.id, passage.created_at, length(passage.lexemes) as words,
                case when passage.lexemes @@ p_keys then array(
                    select terms.term from terms where passage.lexemes @@ terms.query) end as terms
            from remanence.eligible_passages_v1(
                p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
            offset 0
        ) as said
        group by said.terms
    ),
    whole as materialized (
        select sum(alike.texts) as texts, (sum(alike.words) / sum(alike.texts))::double precision
                as size,
            coalesce(sum(alike.texts) filter (where alike.terms is not null), 0) as matched
        from alike
    ),
    counted as materialized (
        select terms.term, coalesce(sum(alike.texts), 0) as texts
        from terms
        left join (alike cross join lateral unnest(alike.terms) as had (term))
            on had.term = terms.term
        group by terms.term
    ),
    worth as materialized (
        select counted.term, remanence.worth_v1(p_weights[counted.term],
            case when p_is_common[counted.term] then whole.matched else whole.texts end,
            counted.texts) as worth
        from counted
        cross join whole
    ),
    by_words as (
        select one.id
        from (
            select alike.ids, alike.sizes, alike.moments, (
                select sum(worth.worth)
                from unnest(alike.terms) as had (term)
                join worth on worth.term = had.term) as worth
            from alike
            where alike.terms is not null
            offset 0  -- once for each group
        ) as alike
        cross join whole
        cross join lateral unnest(alike.ids, alike.sizes, alike.moments)
            as one (id, words, moment)
        order by alike.worth * remanence.share_v1(whole.size, one.words) desc, one.moment desc,
            one.id desc
        limit 400
    ),
    asked (vector, is_for_all) as materialized (
        select remanence.to_halfvec(p_embedding), p_tags is null and p_from is null
            and p_to is null and p_as_of is null
    ),
    compared as materialized (
        select stored.passage_id as id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.passage_vectors as stored
        where (select asked.is_for_all from asked)
            and stored.archive_id = any (p_archive_ids)
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        union all
        select stored.passage_id, greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked)))
        from remanence.eligible_passages_v1(
                p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
        join remanence.passage_vectors as stored on stored.passage_id = passage.id
        where not (select asked.is_for_all from asked)
            and stored.archive_id = any (p_archive_ids)
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
    ),
    by_vector as (
        select nearest.id
        from (
            select compared.* from compared order by compared.likeness desc, compared.id offset 0
        ) as nearest
        cross join lateral (
            select
            from remanence.eligible_passages_v1(
                p_archive_ids, null, null, null, null, p_as_of) as passage
            where passage.id = nearest.id
            limit 1  -- asked of the nearest only, until there are enough
        ) as wanted
        order by nearest.likeness desc, nearest.id
        limit 400
    ),
    seeds as (
        select passage.archive_id, passage.created_at, passage.id, max(seed.reach) as reach
        from (
            select by_words.id, 6 as reach from by_words
            union all
            select by_vector.id, 3 from by_vector
        ) as seed
        cross join lateral (
            select passage.archive_id, passage.created_at, passage.id
            from remanence.passages as passage
            where passage.id = seed.id
            offset 0  -- one by one, by key
        ) as passage
        group by passage.archive_id, passage.created_at, passage.id
    ),
    near as (
        -- what stands around several seeds is read for each; which text follows one is not known
        -- of the last around a seed
        select distinct on (around.archive_id, around.created_at, around.id) around.*
        from seeds
        cross join lateral (
            select part.*, lead(part.id) over (order by part.created_at, part.id) as next_id
            from (
                (select passage.archive_id, passage.created_at, passage.id, passage.lexemes
                from remanence.eligible_passages_v1(
                    p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
                where passage.archive_id = seeds.archive_id
                    and (passage.created_at, passage.id) <= (seeds.created_at, seeds.id)
                order by passage.created_at desc, passage.id desc
                limit 1 + seeds.reach)
                union all
                (select passage.archive_id, passage.created_at, passage.id, passage.lexemes
                from remanence.eligible_passages_v1(
                    p_archive_ids, p_tags, p_match_all_tags, p_from, p_to, p_as_of) as passage
                where passage.archive_id = seeds.archive_id
                    and (passage.created_at, passage.id) > (seeds.created_at, seeds.id)
                order by passage.created_at, passage.id
                limit seeds.reach)
            ) as part
        ) as around
        order by around.archive_id, around.created_at, around.id, around.next_id nulls last
    ),
    spoken as (
        select placed.*, (count(*) filter (where placed.is_apart) over (order by placed.place))
                ::integer as thread
        from (
            select near.*, (row_number() over in_order)::integer as place,
                lag(near.next_id) over in_order is distinct from near.id as is_apart
            from near
            window in_order as (order by near.archive_id, near.created_at, near.id)
        ) as placed
    )
    select spoken.id, spoken.created_at, spoken.place, spoken.thread,
        length(spoken.lexemes),
        case when spoken.lexemes @@ p_keys then array(
            select terms.term from terms where spoken.lexemes @@ terms.query) end,
        near.likeness,
        whole.texts, whole.size, whole.matched,
        case when spoken.place = 1 then (
            select array_agg(counted.texts::integer order by counted.term) from counted) end,
        case when spoken.place = 1 then (select avg(compared.likeness) from compared) end
    from spoken
    left join lateral (
        select greatest(0, 1 - remanence.cosine_distance(
            stored.embedding, (select asked.vector from asked))) as likeness
        from remanence.passage_vectors as stored
        where stored.passage_id = spoken.id
            and stored.model = p_model
            and stored.dimensions = cardinality(p_embedding)
        offset 0
    ) as near on true
    left join whole on spoken.place = 1;
end
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
