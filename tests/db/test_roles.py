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
from remanence.errors import StoreError
from remanence.local.binaries import find_binaries, identity_for

if TYPE_CHECKING:
    from support.pg import Database, Databases

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
