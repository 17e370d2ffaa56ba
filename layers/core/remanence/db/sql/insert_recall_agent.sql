-- insert_recall_agent: an agent to hold the texts of a measured conversation, in an organization that
-- the measurement makes for itself.
-- takes:   agent_id text; embedding text | null
-- returns: 1 row: id text
-- uses:    organizations_pkey
with org as (
    insert into remanence.organizations (id, name)
    values (remanence.current_org(), 'Recall evaluation')
    on conflict (id) do nothing
)
insert into remanence.agents (
    id, org_id, name, agent_type, system, model, embedding, context_window_limit)
values (%(agent_id)s::text, remanence.current_org(), 'Recall evaluation', 'letta_v1_agent', '',
    'none/none', %(embedding)s::text, 32000)
returning id
