-- search_passages: what archives hold about a question, best first: by the words that a passage and
-- its neighbours share with it, and by nearness of vectors, fused by normalised scores. Without a
-- word and a vector: the newest.
-- takes:   agent_id, archive_id text (null: any); query text; related, phrases text[]; speaker text
--          | null; names text[]; span_starts, span_ends timestamptz[], around double precision (as in
--          search_messages); embedding real[] | null and its model text | null; tags text[] | null,
--          match_all_tags boolean; created_from, created_to timestamptz | null (both inclusive);
--          as_of timestamptz | null (now): only what holds then, and a plan for later if null;
--          after_id text | null (only what stands behind that passage); page_limit integer
-- returns: 0..page_limit rows: passage jsonb {row of passages, embedding: of its archive},
--          score double precision (0..1; 0 when nothing was searched for), lexical_rank, vector_rank
--          bigint | null (from 1), legs jsonb {words, vector, when, speaker, phrase}
-- uses:    archives_agents_pkey, passages_archive_created_idx, passage_vectors_archive_idx
--
-- One scan, exact and over the archives in question only, reads what both rankings need. Of many,
-- passage_candidates_v1 chooses those that are ranked.
-- The texts of so many of the best are judged more closely; a next page ranks the others behind
-- these (is_behind), so that pages of one length are parts of one order.
with terms as materialized (
    select term.lexeme, term.weight, term.is_key, term.is_common,
        ('''' || replace(replace(term.lexeme, '\', '\\'), '''', '''''') || '''')::tsquery as query,
        (row_number() over ())::integer as term
    from remanence.question_terms_v1(
        left(%(query)s::text, 2000), %(related)s::text[]) as term
),
asked as materialized (
    select remanence.any_key_v1(array_agg(terms.lexeme) filter (where terms.is_key)) as keys,
        array_agg(terms.weight order by terms.term) as weights,
        array_agg(terms.is_common order by terms.term) as is_common,
        array_agg(terms.query order by terms.term) as queries,
        remanence.to_halfvec(%(embedding)s::real[]) as vector
    from terms
),
scope as materialized (
    select archive.id, archive.embedding
    from remanence.archives as archive
    where archive.org_id = remanence.current_org()
        and (%(archive_id)s::text is null or archive.id = %(archive_id)s::text)
        and (%(agent_id)s::text is null or exists (
            select from remanence.archives_agents as link
            where link.archive_id = archive.id and link.agent_id = %(agent_id)s::text))
),
eligible as not materialized (
    select passage.*
    from remanence.passages as passage
    -- an array, and not a join, which would read the passages of everybody when archives are many
    where passage.archive_id = any (array(select scope.id from scope))
        and (%(tags)s::text[] is null or case when %(match_all_tags)s::boolean
            then passage.tags @> %(tags)s::text[] else passage.tags && %(tags)s::text[] end)
        and (%(created_from)s::timestamptz is null
            or passage.created_at >= %(created_from)s::timestamptz)
        and (%(created_to)s::timestamptz is null
            or passage.created_at <= %(created_to)s::timestamptz)
        and (passage.valid_to is null
            or passage.valid_to > coalesce(%(as_of)s::timestamptz, now()))
        and (%(as_of)s::timestamptz is null or passage.valid_from is null
            or passage.valid_from <= %(as_of)s::timestamptz)
),
held as materialized (
    -- from here on it costs less to choose candidates than to rank all
    select exists (
        select from remanence.passages as passage
        where passage.archive_id = any (array(select scope.id from scope))
        offset 3000) as is_much
),
kept as materialized (
    select read.id, read.created_at, (row_number() over (
            order by read.archive_id, read.created_at, read.id))::integer as place,
        (dense_rank() over (order by read.archive_id))::integer as thread, read.words,
        read.terms, read.likeness, null::double precision as texts,
        null::double precision as size, null::double precision as matched,
        null::integer[] as found, null::double precision as usual
    from (
        select eligible.id, eligible.archive_id, eligible.created_at,
            length(eligible.lexemes) as words,
            case when eligible.lexemes @@ (select asked.keys from asked) then array(
                select terms.term from terms where eligible.lexemes @@ terms.query) end as terms,
            case when stored.passage_id is not null then greatest(0, 1 - remanence.cosine_distance(
                stored.embedding, (select asked.vector from asked))) end as likeness
        from eligible
        left join remanence.passage_vectors as stored
            on (select asked.vector from asked) is not null
            and stored.passage_id = eligible.id
            and stored.archive_id = any (array(select scope.id from scope))
            and stored.model = %(model)s::text
            and stored.dimensions = cardinality(%(embedding)s::real[])
        where (select asked.keys is not null or asked.vector is not null from asked)
            and not (select held.is_much from held)
        offset 0
    ) as read
    union all
    select candidate.*
    from asked
    cross join lateral remanence.passage_candidates_v1(
        array(select scope.id from scope), %(tags)s::text[], %(match_all_tags)s::boolean,
        %(created_from)s::timestamptz, %(created_to)s::timestamptz, %(as_of)s::timestamptz,
        asked.keys, asked.queries, asked.weights, asked.is_common, %(embedding)s::real[],
        %(model)s::text) as candidate
    where (select held.is_much from held)
        and (asked.keys is not null or asked.vector is not null)
),
hits as (
    select array_agg(kept.place) as places, array_agg(hit.term) as terms
    from kept
    cross join lateral unnest(kept.terms) as hit (term)
),
weighed as (
    select kept.id, ranked.relevance, ranked.likeness, ranked.lexical_rank, ranked.vector_rank,
        ranked.near, ranked.weight, passage.created_at, passage.text, row_number() over (
            order by ranked.weight * (1 + ranked.near) desc, ranked.place desc)
            > greatest(150, 2 * %(page_limit)s::integer + 50) as is_behind
    from (
        select array_agg(kept.words order by kept.place) as words,
            array_agg(kept.thread order by kept.place) as threads,
            array_agg(kept.created_at order by kept.place) as moments,
            array_agg(kept.likeness order by kept.place) as likeness,
            max(kept.texts) as texts, max(kept.size) as size, max(kept.matched) as matched,
            max(kept.found) as found, max(kept.usual) as usual
        from kept
    ) as scope
    cross join asked
    cross join hits
    cross join lateral remanence.rank_v2(
        asked.weights, asked.is_common, scope.words, scope.threads, scope.moments, scope.likeness,
        hits.places, hits.terms, %(span_starts)s::timestamptz[], %(span_ends)s::timestamptz[],
        %(around)s::double precision,
        case when %(after_id)s::text is null
            then greatest(150, 2 * %(page_limit)s::integer + 50) end,
        scope.texts, scope.size, scope.matched, scope.found, scope.usual) as ranked
    join kept on kept.place = ranked.place
    cross join lateral (
        select passage.created_at, passage.text
        from remanence.passages as passage
        where passage.id = kept.id
        offset 0  -- one by one, by key: the planner expects more of them and would read the table
    ) as passage
),
judged as (
    select told.*, remanence.weigh_named_v1(
            told.weight, told.is_named, told.relevance,
            max(told.relevance) over (partition by told.is_behind))
        * remanence.raise_v3(told.text, told.near, told.is_speaker, told.has_phrase,
            told.is_of_user, max(told.created_at) over (partition by told.is_behind)
                - told.created_at) as score
    from (
        select weighed.*,
            coalesce(remanence.side_v1(teller.name) = %(speaker)s::text, false) as is_speaker,
            coalesce(remanence.side_v1(teller.name) = 'user', false) as is_of_user,
            remanence.is_named_v1(teller.name, %(names)s::text[]) as is_named,
            remanence.has_phrase_v1(weighed.text, %(phrases)s::text[]) as has_phrase
        from weighed
        cross join lateral (select remanence.teller_v1(weighed.text) as name offset 0) as teller
    ) as told
),
found as (
    select once.id, once.lexical_rank, once.vector_rank,
        least(1, coalesce(once.score / nullif(
            max(once.score) filter (where not once.is_behind) over (), 0), 0)) as score,
        row_number() over (
            order by once.is_behind, once.score desc, once.created_at desc, once.id) as place,
        jsonb_build_object('words', round(once.relevance::numeric, 4),
            'vector', round(once.likeness::numeric, 4), 'when', round(once.near::numeric, 4),
            'speaker', once.is_speaker or once.is_named, 'phrase', once.has_phrase) as legs
    from (
        select judged.*, row_number() over (
            partition by md5(judged.text) order by judged.is_behind, judged.score desc,
                judged.created_at desc, judged.id) as copy
        from judged
    ) as once
    where once.copy = 1
),
newest as (
    select latest.id, row_number() over (order by latest.created_at desc, latest.id) as place
    from (
        select eligible.id, eligible.created_at
        from eligible
        where (select asked.keys is null and asked.vector is null from asked)
        order by eligible.created_at desc, eligible.id
        limit case when %(after_id)s::text is null then %(page_limit)s::integer end
    ) as latest
),
ranked as (
    select found.id, found.place, found.score, found.lexical_rank, found.vector_rank, found.legs
    from found
    union all
    select newest.id, newest.place, 0, null, null, '{}'::jsonb from newest
)
select to_jsonb(passage) - 'lexemes' || jsonb_build_object('embedding', scope.embedding) as passage,
    ranked.score, ranked.lexical_rank, ranked.vector_rank, ranked.legs
from ranked
join remanence.passages as passage on passage.id = ranked.id
join scope on scope.id = passage.archive_id
where %(after_id)s::text is null
    or ranked.place > (select last.place from ranked as last where last.id = %(after_id)s::text)
order by ranked.place
limit %(page_limit)s::integer
