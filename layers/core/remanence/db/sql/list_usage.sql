-- list_usage: what was used, summed over what is not asked for; newest and dearest first.
-- takes:   agent_id text | null, model text | null, start_day date | null, end_day date | null
--          (exclusive), by_day boolean, by_agent boolean, by_model boolean, row_limit int
-- returns: n rows: day, agent_id, model (null where summed over), and the sums
-- uses:    usage_daily_org_day_idx, usage_daily_pkey
select
    case when %(by_day)s::boolean then used.day end as day,
    case when %(by_agent)s::boolean then used.agent_id end as agent_id,
    case when %(by_model)s::boolean then used.model end as model,
    sum(used.calls)::bigint as calls,
    sum(used.prompt_tokens)::bigint as prompt_tokens,
    sum(used.completion_tokens)::bigint as completion_tokens,
    sum(used.cached_input_tokens)::bigint as cached_input_tokens,
    sum(used.cache_write_tokens)::bigint as cache_write_tokens,
    sum(used.reasoning_tokens)::bigint as reasoning_tokens,
    sum(used.usd_micros)::bigint as usd_micros,
    sum(used.unpriced_tokens)::bigint as unpriced_tokens
from remanence.usage_daily as used
where used.org_id = remanence.current_org()
    and (%(agent_id)s::text is null or used.agent_id = %(agent_id)s::text)
    and (%(model)s::text is null or used.model = %(model)s::text)
    and (%(start_day)s::date is null or used.day >= %(start_day)s::date)
    and (%(end_day)s::date is null or used.day < %(end_day)s::date)
group by 1, 2, 3
order by 1 desc nulls last, usd_micros desc, prompt_tokens desc, 2, 3
limit %(row_limit)s::integer
