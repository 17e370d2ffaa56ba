-- How searches rank, second version: more words make a text long, neighbours are heard a little
-- less, who spoke is read in front of a text in any language, and a text that only asks stands
-- behind one that tells. Both searches share the functions for words, for vectors and for the rest.
--
-- The constants were chosen by hit@10 as in 0008, each by leaving one conversation out at a time.

-- As rank_by_words_v1. p_around: how much neighbours count, 1 as tuned, 0 not at all.
create function remanence.rank_by_words_v2(
    p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[],
    p_moments timestamptz[], p_hit_places integer[], p_hit_terms integer[],
    p_around double precision)
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
            select 60 + avg(size.words)::double precision as typical
            from unnest(p_words) as size (words)
        ) as scope
    ),
    matched as (
        select count(distinct hits.place)::double precision as texts from hits
    ),
    terms as materialized (
        select hits.term, p_weights[hits.term] * ln(1 + greatest(0,
            case when p_is_common[hits.term] then min(matched.texts) else cardinality(p_words) end
                - count(*) + 0.5) / (count(*) + 0.5)) as worth
        from hits
        cross join matched
        group by hits.term
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

-- How near texts are to a question by their vectors, with what stands around them, which speaks for
-- a text as it does with words. One that stands alone gets what its neighbours would have on
-- average, so that it is neither favoured nor passed over.
--
-- Texts come in the order they were said: p_threads[i], p_moments[i] and p_likeness[i] (0..1; null:
-- it has no vector) are those of the i-th; `place` is i. Neighbours as in rank_by_words_v2.
create function remanence.rank_by_vector_v1(
    p_threads integer[], p_moments timestamptz[], p_likeness double precision[],
    p_around double precision)
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
        select told.place, told.likeness, avg(told.likeness) over () as usual,
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

-- Both rankings fused by normalised scores, a vector weighing as much as the words, and raised by
-- the times that a question names. A text without a vector gets what the others have on average:
-- one that is too new to have its vector must not stand behind all that have.
--
-- Arguments as in rank_by_words_v2 and rank_by_vector_v1; p_starts and p_ends are the named times.
-- Returns the best p_keep; a rank (from 1) is null where that leg did not find the text.
create function remanence.rank_v1(
    p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[],
    p_moments timestamptz[], p_likeness double precision[], p_hit_places integer[],
    p_hit_terms integer[], p_starts timestamptz[], p_ends timestamptz[],
    p_around double precision, p_keep integer)
returns table (
    place integer, relevance double precision, likeness double precision,
    lexical_rank bigint, vector_rank bigint, near double precision, weight double precision)
language sql stable parallel safe
rows 100
as $$
    with by_words as (
        select ranked.place, ranked.relevance,
            row_number() over (order by ranked.relevance desc, ranked.place desc) as rank
        from remanence.rank_by_words_v2(
            p_weights, p_is_common, p_words, p_threads, p_moments, p_hit_places, p_hit_terms,
            p_around) as ranked
        where p_hit_places is not null
    ),
    by_vector as (
        select ranked.place, ranked.likeness, ranked.nearness,
            row_number() over (order by ranked.likeness desc, ranked.place desc) as rank
        from remanence.rank_by_vector_v1(p_threads, p_moments, p_likeness, p_around) as ranked
    ),
    legs as (
        select coalesce(by_words.place, by_vector.place) as place, by_words.relevance,
            by_vector.likeness, by_words.rank as lexical_rank, by_vector.rank as vector_rank,
            coalesce(by_words.relevance / nullif(max(by_words.relevance) over (), 0), 0)
                + coalesce(coalesce(by_vector.nearness, avg(by_vector.nearness) over ())
                    / nullif(max(by_vector.nearness) over (), 0), 0) as weight
        from by_words
        full join by_vector on by_vector.place = by_words.place
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

-- Who a transcript says spoke: its lines are kept with the speaker in front. Null: it does not say.
create function remanence.told_by_v1(p_text text) returns text
language sql immutable parallel safe
as $$
    select case
        when named.speaker in ('user', 'human', '用户', '使用者', '我', 'ユーザー', 'ユーザ', '사용자',
            'пользователь', 'nutzer', 'benutzer', 'usuario', 'utilisateur', 'usuário', 'utente',
            'ผู้ใช้', 'المستخدم', 'مستخدم') then 'user'
        when named.speaker in ('assistant', 'ai', 'bot', 'chatbot', '助手', '助理', 'アシスタント',
            '어시스턴트', 'ассистент', 'помощник', 'assistent', 'asistente', 'assistente',
            'ผู้ช่วย', 'المساعد', 'مساعد') then 'assistant'
    end
    from (select lower(substring(p_text from '^\s*([^\s:：]{1,20})\s*[:：]'))) as named (speaker)
$$;

-- By how much what else is known raises a text above its words: named times up to twofold, the
-- speaker who probably said it .6, the phrase itself .5; of equals, the newer by up to .02. A short
-- text that ends with a question tells less than one that does not: .85. A long one may well ask in
-- the end, having told first.
create function remanence.raise_v2(
    p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean,
    p_age interval) returns double precision
language sql immutable parallel safe
as $$
    select (1 + p_near)
        * case when p_is_speaker then 1.6 else 1 end
        * case when p_has_phrase then 1.5 else 1 end
        * case when length(p_text) < 200
            and right(rtrim(p_text, E' \t\r\n"'')'), 1) in ('?', '？', '؟') then 0.85 else 1 end
        * (1 + 0.02 * exp(-least(700, greatest(0, extract(epoch from p_age)) / 7776000)))
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
