-- How searches rank, third version: what somebody said stands before what others said when the
-- question names them, and what a user asks an assistant tells, too, if it is more than a question.
--
-- The constants were chosen by hit@10, session recall and evidence within 2,000 tokens on the sets
-- of 0008, each by leaving one conversation out at a time, by words alone and with vectors.

-- What a text weighs whose speaker the question names: its words count .2 more, next to the words
-- of the best. The vector of a question has its names in it already.
create function remanence.weigh_named_v1(
    p_weight double precision, p_is_named boolean, p_relevance double precision,
    p_best_relevance double precision) returns double precision
language sql immutable parallel safe
as $$
    select p_weight + case when p_is_named
        then 0.2 * coalesce(p_relevance / nullif(p_best_relevance, 0), 0) else 0 end
$$;

-- As raise_v2, but a text that only asks counts .75. Of a user (p_is_of_user) that is a very short
-- one: who talks to an assistant tells what they have and then asks.
create function remanence.raise_v3(
    p_text text, p_near double precision, p_is_speaker boolean, p_has_phrase boolean,
    p_is_of_user boolean, p_age interval) returns double precision
language sql immutable parallel safe
as $$
    select (1 + p_near)
        * case when p_is_speaker then 1.6 else 1 end
        * case when p_has_phrase then 1.5 else 1 end
        * case when length(p_text) < case when p_is_of_user then 80 else 200 end
            and right(rtrim(p_text, E' \t\r\n"'')'), 1) in ('?', '？', '؟') then 0.75 else 1 end
        * (1 + 0.02 * exp(-least(700, greatest(0, extract(epoch from p_age)) / 7776000)))
$$;

revoke all on all functions in schema remanence from public;
grant execute on all functions in schema remanence to remanence_app;
