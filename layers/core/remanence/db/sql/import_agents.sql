-- import_agents: stores the tools and agents of an agent file; see the function.
-- takes:   call jsonb
-- returns: 1 row: jsonb {outcome, ...}
-- uses:    tools_name_unique, agents_pkey, conversations_default_idx
select remanence.agents_import_v1(%(call)s::jsonb)
