"""infra/roles.sql, as an operator runs it, makes a role the server can work with."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from remanence.db.migrate import migrate
from remanence.db.roles import RUNTIME_ROLE
from remanence.errors import StoreError
from remanence.local.binaries import find_binaries, identity_for
from remanence.local.cluster import OWNER

if TYPE_CHECKING:
    from support.pg import Database, Databases

# Who may do something with what is in the schema; what has no list of rights has the default one.
RIGHTS = """
select owned.kind, owned.name, coalesce(role.rolname, 'public')
from (
    select 'function' as kind, proname::text as name,
        coalesce(proacl, acldefault('f', proowner)) as acl
    from pg_proc where pronamespace = 'remanence'::regnamespace
    union all
    select 'relation', relname::text,
        coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
    from pg_class
    where relnamespace = 'remanence'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    union all
    select 'schema', nspname::text, coalesce(nspacl, acldefault('n', nspowner))
    from pg_namespace where nspname = 'remanence'
) as owned
cross join lateral aclexplode(owned.acl) as granted
left join pg_roles as role on role.oid = granted.grantee
"""
ROLES = Path(__file__).parents[2] / "infra" / "roles.sql"


def test_roles_file_makes_a_login_that_row_level_security_binds(
    databases: Databases, fresh_database: Database
) -> None:
    identity = identity_for(Path(tempfile.gettempdir()))
    psql = find_binaries(os.environ.get("PG_BIN", ""), identity) / "psql"
    options = ["-X", "-v", "ON_ERROR_STOP=1", "-v", "password=it's mine", "-f", str(ROLES)]
    subprocess.run([psql, fresh_database.owner_uri, *options], check=True, capture_output=True)
    where = urlsplit(fresh_database.owner_uri)
    uri = f"postgresql://remanence_server:it%27s%20mine@127.0.0.1:{where.port}{where.path}"

    try:
        assert migrate(uri) == []
        with psycopg.connect(uri) as conn:
            conn.execute("select remanence.enter_org('org-of-nobody')")
            assert conn.execute("select count(*) from remanence.organizations").fetchone() == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("create table remanence.mine ()")
    finally:
        databases.drop(fresh_database)
        databases.run_as_admin("drop role remanence_server")


def test_login_role_that_is_no_member_is_told_what_to_grant(
    databases: Databases, database: Database
) -> None:
    databases.run_as_admin("create role outsider login password 'x'")
    where = urlsplit(database.owner_uri)
    try:
        with pytest.raises(StoreError, match=r"grant remanence_app to .*infra/roles\.sql"):
            migrate(f"postgresql://outsider:x@127.0.0.1:{where.port}{where.path}")
    finally:
        databases.run_as_admin("drop role outsider")


def test_nobody_but_owner_and_run_time_role_may_use_anything_of_the_schema(
    database: Database,
) -> None:
    with psycopg.connect(database.owner_uri) as conn:
        rights = conn.execute(RIGHTS).fetchall()

    assert {kind for kind, _, _ in rights} == {"function", "relation", "schema"}
    assert {role for _, _, role in rights} == {RUNTIME_ROLE, OWNER}
    public = "create function remanence.open_to_all() returns int language sql return 1"
    with psycopg.connect(database.owner_uri) as conn:
        conn.execute(public)
        assert ("function", "open_to_all", "public") in conn.execute(RIGHTS).fetchall()
        conn.rollback()
