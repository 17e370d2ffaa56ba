"""A local Postgres with the roles, rights and poolers of a Supabase project.

As far as a client can tell: `postgres` owns the database and is no superuser (it may create roles,
and bypasses row-level security), the Data API has its roles and default rights in `public`,
pgvector is in the schema `extensions`, and both poolers stand before it, a pgbouncer each.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
from support.bouncer import Bouncer

from remanence.local.cluster import ADMIN
from remanence.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Generator

PASSWORD = "an-0wners-password"  # noqa: S105
SERVER_PASSWORD = "a-s3cond-password"  # noqa: S105
_USERS = {"postgres": PASSWORD, "remanence_server": SERVER_PASSWORD}

# Outside of a transaction, one by one.
_CLUSTER = f"""
create role anon nologin noinherit
create role authenticated nologin noinherit
create role service_role nologin noinherit bypassrls
create role authenticator login noinherit password 'x'
grant anon, authenticated, service_role to authenticator
alter role authenticator set pgrst.db_schemas = 'public, graphql_public'
create role postgres login nosuperuser createdb createrole bypassrls password '{PASSWORD}'
grant anon, authenticated, service_role to postgres with admin option
create database project owner postgres
"""
_DATABASE = """
create schema if not exists extensions;
create extension vector schema extensions;
grant usage on schema extensions to postgres, anon, authenticated, service_role;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
    grant all on tables to anon, authenticated, service_role;
"""


@dataclass(frozen=True, slots=True)
class Project:
    """The connection strings of a project, and the way around all of them."""

    # Session pooler, as `postgres`.
    session_uri: str
    # Transaction pooler, as the role that infra/roles.sql makes.
    server_uri: str
    # Direct, as `postgres`.
    direct_uri: str


@contextmanager
def supabase_project(pooler: str) -> Generator[Project]:
    """A project until the block ends; `pooler` is the pgbouncer program."""
    home = Path(tempfile.mkdtemp(prefix="remanence-supabase-"))
    pg = EmbeddedPostgres(home, "test")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        stack.callback(pg.stop)
        pg.start()
        _set_up(pg)
        port = urlsplit(pg.uri(ADMIN, "project")).port
        direct = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/project"
        session = stack.enter_context(
            Bouncer.started(pooler, pg, mode="session", pool_size=5, users=_USERS)
        )
        transaction = stack.enter_context(Bouncer.started(pooler, pg, pool_size=5, users=_USERS))
        server = direct.replace(f"postgres:{PASSWORD}", f"remanence_server:{SERVER_PASSWORD}")
        yield Project(
            session_uri=session.uri(direct),
            server_uri=transaction.uri(server),
            direct_uri=direct,
        )


def _set_up(pg: EmbeddedPostgres) -> None:
    with psycopg.connect(pg.uri(ADMIN, "postgres"), autocommit=True) as conn:
        for statement in filter(None, _CLUSTER.splitlines()):
            conn.execute(statement.encode())
    with psycopg.connect(pg.uri(ADMIN, "project"), autocommit=True) as conn:
        conn.execute("drop extension if exists vector")
        conn.execute(_DATABASE.encode())
