-- What both searches (sql/search_messages.sql, sql/search_passages.sql) weigh words by.
--
-- The constants were chosen by hit@10 over five long conversations, ten transcripts of work with an
-- assistant and two Chinese dialogues (2026-11, `remanence eval recall`): each is the middle of a
-- plateau, not the top of a peak.

-- The search words of a question with their weights. Words the question does not have itself but
-- could have had (p_related) count half; exact forms beside stems .4. `is_key`: a text without any
-- of these is not looked at; so that texts are not read for the sake of "the" and "what", those
-- are keys only of a question that has nothing else.
create function remanence.question_terms_v1(p_question text, p_related text[])
returns table (lexeme text, weight real, is_key boolean, is_common boolean)
language sql stable parallel safe
as $$
    with own as (
        select word.lexeme, case when word.lexeme like '=%' then 0.4 else 1 end as weight,
            word.lexeme like '=%' and to_tsvector(
                'pg_catalog.russian', substr(word.lexeme, 2)) = '' as is_common
        from unnest(tsvector_to_array(remanence.lexemes(p_question))) as word (lexeme)
    ),
    terms as (
        select own.lexeme, own.weight, own.lexeme not like '=%' as is_key, own.is_common
        from own
        union all
        -- of a related word of several characters without spaces, the single ones say nothing
        select distinct other.lexeme, 0.5, true, false
        from unnest(p_related) as related (word)
        cross join lateral unnest(tsvector_to_array(remanence.lexemes(related.word)))
            as other (lexeme)
        where other.lexeme not like '=%'
            and (length(related.word) = 1 or other.lexeme !~ '^u[\u0e00-\uffff]$')
            and not exists (select from own where own.lexeme = other.lexeme)
    )
    select terms.lexeme, terms.weight::real,
        terms.is_key or not exists (select from terms as other where other.is_key),
        terms.is_common
    from terms
    order by terms.weight desc, length(terms.lexeme) desc, terms.lexeme
    limit 128
$$;

-- The same words as a query that any of the keys satisfies; null without one.
create function remanence.any_key_v1(p_lexemes text[]) returns tsquery
language sql immutable parallel safe
as $$
    select string_agg(
        '''' || replace(replace(key.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
    from unnest(p_lexemes) as key (lexeme)
$$;

-- Ranks texts by the words they and their neighbours share with a question (BM25 with the
-- frequencies of the scope itself). Texts stand at places 1..n in the order they were said;
-- p_words[place] is how many words one has, p_threads[place] its conversation or archive,
-- p_moments[place] when it was said. (hit_places[i], hit_terms[i]): that text has that term.
--
-- What a text lacks its neighbours may have said: a question and its answer share the words of the
-- matter. Their terms are added before saturation, so that a word said five times in a row does
-- not count five times. Neighbours are of the same thread and at most an hour apart; of texts that
-- were stored at the same instant the order is not known, so they are not.
create function remanence.rank_by_words_v1(
    p_weights real[], p_is_common boolean[], p_words integer[], p_threads integer[],
    p_moments timestamptz[], p_hit_places integer[], p_hit_terms integer[])
returns table (place integer, relevance double precision)
language sql stable parallel safe
rows 500
-- the planner takes every array for ten rows, and would join ten thousand row by row
set enable_nestloop to off
as $$
    with hits as materialized (
        select hit.place, hit.term, scope.typical / (p_words[hit.place] + 30) as share,
            p_threads[hit.place] as thread, p_moments[hit.place] as moment
        from unnest(p_hit_places, p_hit_terms) as hit (place, term)
        cross join (
            select 30 + avg(size.words)::double precision as typical
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
            select hits.place, sum(terms.worth * hits.share / (hits.share + 0.9)) as relevance
            from hits
            join terms on terms.term = hits.term
            group by hits.place
        ) as own
        order by own.relevance desc, own.place desc
        limit 400
    ),
    steps (step, share) as (
        values (0, 1.0::double precision), (-1, 0.4), (-2, 0.2), (-3, 0.1),
            (1, 0.3), (2, 0.15), (3, 0.05)
    ),
    area as materialized (
        select distinct seeds.place - steps.step as place
        from seeds
        cross join steps
        where seeds.place - steps.step between 1 and cardinality(p_words)
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
    select heard.place, sum(terms.worth * heard.share / (heard.share + 0.9))
    from heard
    join terms on terms.term = heard.term
    group by heard.place
$$;

-- How near a moment is to the times a question names: 1 within, less outside; 0 without any. It
-- falls slowly afterwards, for people tell of a day when it is over, and quickly before.
create function remanence.nearness_v1(
    p_moment timestamptz, p_starts timestamptz[], p_ends timestamptz[]) returns double precision
language sql immutable parallel safe
as $$
    select coalesce(max(case
        when p_moment < span.starts
            then exp(greatest(-700, extract(epoch from p_moment - span.starts) / 172800))
        when p_moment < span.ends then 1
        else exp(greatest(-700, extract(epoch from span.ends - p_moment) / 1209600))
    end), 0)::double precision
    from unnest(p_starts, p_ends) as span (starts, ends)
$$;

-- Whether a text has one of the phrases, which are in lower case, word by word. Folding the text
-- too would cost .6 ms for 2,000 characters, forty times this.
create function remanence.has_phrase_v1(p_text text, p_phrases text[]) returns boolean
language sql immutable parallel safe
as $$
    select exists (
        select from unnest(p_phrases) as wanted (phrase)
        where strpos(lower(p_text), wanted.phrase) > 0)
$$;

-- By how much what else is known raises a text above its words: named times up to twofold, the
-- speaker who probably said it .6, the phrase itself .5; of equals, the newer by up to .02.
create function remanence.raise_v1(
    p_near double precision, p_is_speaker boolean, p_has_phrase boolean,
    p_age interval) returns double precision
language sql immutable parallel safe
as $$
    select (1 + p_near)
        * case when p_is_speaker then 1.6 else 1 end
        * case when p_has_phrase then 1.5 else 1 end
        * (1 + 0.02 * exp(-least(700, greatest(0, extract(epoch from p_age)) / 7776000)))
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
