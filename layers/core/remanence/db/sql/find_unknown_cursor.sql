-- find_unknown_cursor: the first of these ids that names nothing, whatever its kind.
-- takes:   ids text[]
-- returns: 0..1 row: id text
-- uses:    the primary keys (and messages_id_unique)
select wanted.id
from unnest(%(ids)s::text[]) as wanted (id)
where not case split_part(wanted.id, '-', 1)
    when 'agent' then exists (select from remanence.agents where agents.id = wanted.id)
    when 'archive' then exists (select from remanence.archives where archives.id = wanted.id)
    when 'block' then exists (select from remanence.blocks where blocks.id = wanted.id)
    when 'conv' then exists (select from remanence.conversations where conversations.id = wanted.id)
    when 'identity' then exists (select from remanence.identities where identities.id = wanted.id)
    when 'message' then exists (select from remanence.messages where messages.id = wanted.id)
    when 'passage' then exists (select from remanence.passages where passages.id = wanted.id)
    when 'provider' then exists (select from remanence.providers where providers.id = wanted.id)
    when 'run' then exists (select from remanence.runs where runs.id = wanted.id)
    when 'step' then exists (select from remanence.steps where steps.id = wanted.id)
    when 'tool' then exists (select from remanence.tools where tools.id = wanted.id)
    else false
end
limit 1
