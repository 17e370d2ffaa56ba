-- A login role for run time, that row-level security binds and that cannot change the schema.
--
-- Run once, after `remanence migrate`, as the owner of the database (on Supabase: `postgres`):
--     psql "$OWNER_URI" -v password=... -f infra/roles.sql
-- Then give the server this role's URI (on Supabase through the transaction pooler, port 6543,
-- as user remanence_server.<project ref>), and keep the owner's for `remanence migrate`.
-- The server also works with the owner's URI: it takes on `remanence_app` in each transaction.

create role remanence_server login nobypassrls password :'password';

-- The migrations have made remanence_app, which holds the rights and may not log in.
grant remanence_app to remanence_server;

-- A statement that runs away, or a session that forgot its transaction, must not hold locks.
-- (Poolers apply a role's settings when they open a server connection.)
alter role remanence_server set statement_timeout = '60s';
alter role remanence_server set idle_in_transaction_session_timeout = '60s';
