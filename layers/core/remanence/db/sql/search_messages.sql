-- search_messages: what was said about a question in an agent's conversations, best first; without
-- a word to look for, the newest. Tool calls and tool returns are not speech and are not found.
-- takes:   agent_id text; conversation_id text (null: all of the agent's); query text; related
--          text[] (other words for its words); phrases text[]; speaker text | null (who probably
--          said it); names text[] (words that may name them); span_starts, span_ends timestamptz[]
--          (when, probably); around double precision (how much neighbours count, 1 as tuned); roles
--          text[] of user, assistant, system;
--          created_from, created_to timestamptz | null (both inclusive); view_conversation_id text,
--          view_from_seq bigint | null (messages of that conversation from there on are in view
--          already and are left out); after_id text | null (only what stands behind that message);
--          embedding real[] | null and its model text | null;
--          page_limit integer
-- returns: 0..page_limit rows: message jsonb {row of messages}, said text, score double precision
--          (0..1; 0: by time), lexical_rank, vector_rank bigint | null (from 1), legs jsonb {words,
--          vector, when, speaker, phrase}
-- uses:    messages_agent_created_idx, message_vectors_agent_idx, conversations_agent_idx
--
-- One scan over the agent's own messages, which also counts in how many of them each word is. Of
-- many, message_candidates_v1 chooses those that are ranked.
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
held as materialized (
    -- from here on it costs less to choose candidates than to rank all
    select coalesce(sum(conv.next_seq), 0) > 3000 as is_much
    from remanence.conversations as conv
    where conv.org_id = remanence.current_org()
        and conv.agent_id = %(agent_id)s::text
        and (%(conversation_id)s::text is null or conv.id = %(conversation_id)s::text)
),
spoken as materialized (
    select msg.id, msg.created_at, msg.role, (row_number() over in_order)::integer as place,
        (dense_rank() over (order by msg.conversation_id))::integer as thread, msg.words,
        msg.terms, msg.likeness, msg.is_wanted, null::double precision as texts,
        null::double precision as size, null::double precision as matched,
        null::integer[] as found, null::double precision as usual
    from (
        select msg.conversation_id, msg.seq, msg.id, msg.created_at, msg.role,
            length(msg.lexemes) as words,
            case when msg.lexemes @@ (select asked.keys from asked) then array(
                select terms.term from terms where msg.lexemes @@ terms.query) end as terms,
            case when stored.message_id is not null then greatest(0, 1 - remanence.cosine_distance(
                stored.embedding, (select asked.vector from asked))) end as likeness,
            msg.role = any (%(roles)s::text[]) and (%(view_from_seq)s::bigint is null
                or msg.conversation_id <> %(view_conversation_id)s::text
                or msg.seq < %(view_from_seq)s::bigint) as is_wanted
        from remanence.messages as msg
        left join remanence.message_vectors as stored
            on (select asked.vector from asked) is not null
            and stored.message_id = msg.id
            and stored.agent_id = %(agent_id)s::text
            and stored.model = %(model)s::text
            and stored.dimensions = cardinality(%(embedding)s::real[])
        where msg.org_id = remanence.current_org()
            and (select asked.keys is not null or asked.vector is not null from asked)
            and not (select held.is_much from held)
            and msg.agent_id = %(agent_id)s::text
            and (%(conversation_id)s::text is null
                or msg.conversation_id = %(conversation_id)s::text)
            and (msg.role in ('user', 'assistant')
                or msg.role = 'system' and msg.role = any (%(roles)s::text[]))
            and msg.lexemes is not null
            and (%(created_from)s::timestamptz is null
                or msg.created_at >= %(created_from)s::timestamptz)
            and (%(created_to)s::timestamptz is null
                or msg.created_at <= %(created_to)s::timestamptz)
        offset 0
    ) as msg
    window in_order as (order by msg.conversation_id, msg.seq)
    union all
    select candidate.*
    from asked
    cross join lateral remanence.message_candidates_v1(
        %(agent_id)s::text, %(conversation_id)s::text, %(roles)s::text[],
        %(created_from)s::timestamptz, %(created_to)s::timestamptz,
        %(view_conversation_id)s::text, %(view_from_seq)s::bigint, asked.keys, asked.queries,
        asked.weights, asked.is_common, %(embedding)s::real[], %(model)s::text) as candidate
    where (select held.is_much from held)
        and (asked.keys is not null or asked.vector is not null)
),
hits as (
    select array_agg(spoken.place) as places, array_agg(hit.term) as terms
    from spoken
    cross join lateral unnest(spoken.terms) as hit (term)
),
best as materialized (
    select spoken.id, spoken.created_at, spoken.role, ranked.relevance, ranked.likeness,
        ranked.lexical_rank, ranked.vector_rank, ranked.near, ranked.weight, row_number() over (
            order by ranked.weight * (1 + ranked.near) desc, spoken.created_at desc, spoken.id)
            > greatest(150, 2 * %(page_limit)s::integer + 50) as is_behind
    from (
        select array_agg(spoken.words order by spoken.place) as words,
            array_agg(spoken.thread order by spoken.place) as threads,
            array_agg(spoken.created_at order by spoken.place) as moments,
            array_agg(spoken.likeness order by spoken.place) as likeness,
            max(spoken.texts) as texts, max(spoken.size) as size, max(spoken.matched) as matched,
            max(spoken.found) as found, max(spoken.usual) as usual
        from spoken
    ) as scope
    cross join asked
    cross join hits
    cross join lateral remanence.rank_v2(
        asked.weights, asked.is_common, scope.words, scope.threads, scope.moments,
        scope.likeness, hits.places, hits.terms, %(span_starts)s::timestamptz[],
        %(span_ends)s::timestamptz[], %(around)s::double precision, null, scope.texts,
        scope.size, scope.matched, scope.found, scope.usual) as ranked
    join spoken on spoken.place = ranked.place
    where spoken.is_wanted
    order by ranked.weight * (1 + ranked.near) desc, spoken.created_at desc, spoken.id
    limit case when %(after_id)s::text is null
        then greatest(150, 2 * %(page_limit)s::integer + 50) end
),
judged as materialized (
    select told.*, remanence.weigh_named_v1(
            told.weight, told.is_named, told.relevance,
            max(told.relevance) over (partition by told.is_behind))
        * remanence.raise_v3(told.said, told.near, told.is_speaker, told.has_phrase,
            told.role = 'user', max(told.created_at) over (partition by told.is_behind)
                - told.created_at) as score
    from (
        select best.*, spoken.said,
            coalesce(best.role = %(speaker)s::text, false) as is_speaker,
            remanence.is_named_v1(coalesce(msg.name, remanence.teller_v1(spoken.said)),
                %(names)s::text[]) as is_named,
            remanence.has_phrase_v1(spoken.said, %(phrases)s::text[]) as has_phrase
        from best
        join remanence.messages as msg on msg.id = best.id
        cross join lateral (select remanence.said(msg.role, msg.parts) as said) as spoken
    ) as told
),
found as (
    select once.id, once.said, once.lexical_rank, once.vector_rank,
        least(1, coalesce(once.score / nullif(
            max(once.score) filter (where not once.is_behind) over (), 0), 0)) as score,
        row_number() over (
            order by once.is_behind, once.score desc, once.created_at desc, once.id) as place,
        jsonb_build_object('words', round(once.relevance::numeric, 4),
            'vector', round(once.likeness::numeric, 4), 'when', round(once.near::numeric, 4),
            'speaker', once.is_speaker or once.is_named, 'phrase', once.has_phrase) as legs
    from (
        select judged.*, row_number() over (
            partition by md5(judged.said) order by judged.is_behind, judged.score desc,
                judged.created_at desc, judged.id) as copy
        from judged
    ) as once
    where once.copy = 1
),
newest as (
    select latest.id, latest.said, row_number() over (
        order by latest.created_at desc, latest.id desc) as place
    from (
        select msg.id, msg.created_at, remanence.said(msg.role, msg.parts) as said
        from remanence.messages as msg
        where (select asked.keys is null and asked.vector is null from asked)
            and msg.org_id = remanence.current_org()
            and msg.agent_id = %(agent_id)s::text
            and (%(conversation_id)s::text is null
                or msg.conversation_id = %(conversation_id)s::text)
            and msg.role = any (%(roles)s::text[])
            and msg.lexemes is not null
            and (%(created_from)s::timestamptz is null
                or msg.created_at >= %(created_from)s::timestamptz)
            and (%(created_to)s::timestamptz is null
                or msg.created_at <= %(created_to)s::timestamptz)
            and (%(view_from_seq)s::bigint is null
                or msg.conversation_id <> %(view_conversation_id)s::text
                or msg.seq < %(view_from_seq)s::bigint)
        order by msg.created_at desc, msg.id desc
        limit case when %(after_id)s::text is null then %(page_limit)s::integer end
    ) as latest
),
ranked as (
    select found.id, found.said, found.place, found.score, found.lexical_rank, found.vector_rank,
        found.legs
    from found
    union all
    select newest.id, newest.said, newest.place, 0, null, null, '{}'::jsonb from newest
)
select to_jsonb(msg) - 'lexemes' as message, ranked.said, ranked.score, ranked.lexical_rank,
    ranked.vector_rank, ranked.legs
from ranked
join remanence.messages as msg on msg.id = ranked.id
where %(after_id)s::text is null
    or ranked.place > (select last.place from ranked as last where last.id = %(after_id)s::text)
order by ranked.place
limit %(page_limit)s::integer
