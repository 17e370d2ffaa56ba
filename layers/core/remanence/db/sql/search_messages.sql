-- search_messages: what was said about a question in an agent's conversations, best first; without
-- a word to look for, the newest. Tool calls and tool returns are not speech and are not found.
-- takes:   agent_id text; conversation_id text (null: all of the agent's); query text; roles
--          text[] of user, assistant, system; created_from, created_to timestamptz | null (both
--          inclusive); view_conversation_id text, view_from_seq bigint | null (messages of that
--          conversation from there on are in view already and are left out); page_limit integer
-- returns: 0..page_limit rows: message jsonb {row of messages}, said text, rank bigint (from 1),
--          is_lexical boolean (ranked by words, not by time)
-- uses:    messages_agent_created_idx
with asked as materialized (
    select remanence.any_lexeme(left(%(query)s::text, 2000)) as words
),
eligible as not materialized (
    select msg.*
    from remanence.messages as msg
    where msg.org_id = remanence.current_org()
        and msg.agent_id = %(agent_id)s::text
        and (%(conversation_id)s::text is null
            or msg.conversation_id = %(conversation_id)s::text)
        and msg.role = any (%(roles)s::text[])
        and msg.role in ('user', 'assistant', 'system')
        and (%(created_from)s::timestamptz is null
            or msg.created_at >= %(created_from)s::timestamptz)
        and (%(created_to)s::timestamptz is null
            or msg.created_at <= %(created_to)s::timestamptz)
        and (%(view_from_seq)s::bigint is null
            or msg.conversation_id <> %(view_conversation_id)s::text
            or msg.seq < %(view_from_seq)s::bigint)
),
lexical as (
    select best.id, row_number() over (
        order by best.relevance desc, best.created_at desc, best.id) as rank
    from (
        select eligible.id, eligible.created_at,
            ts_rank(eligible.lexemes, (select asked.words from asked)) as relevance
        from eligible
        where (select asked.words from asked) is not null
            and eligible.lexemes @@ (select asked.words from asked)
        order by relevance desc, eligible.created_at desc, eligible.id
        limit %(page_limit)s::integer
    ) as best
),
newest as (
    select latest.id, row_number() over (
        order by latest.created_at desc, latest.id desc) as rank
    from (
        select eligible.id, eligible.created_at
        from eligible
        where (select asked.words from asked) is null
            and remanence.said(eligible.role, eligible.parts) is not null
        order by eligible.created_at desc, eligible.id desc
        limit %(page_limit)s::integer
    ) as latest
),
ranked as (
    select lexical.id, lexical.rank, true as is_lexical from lexical
    union all
    select newest.id, newest.rank, false from newest
)
select to_jsonb(msg) - 'lexemes' as message, remanence.said(msg.role, msg.parts) as said,
    ranked.rank, ranked.is_lexical
from ranked
join remanence.messages as msg on msg.id = ranked.id
order by ranked.rank
