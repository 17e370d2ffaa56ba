"""What a database says about itself: who may see what, and how much room is left.

Beside the main path: `remanence doctor` asks and judges. Nothing is written, everything is read
from the catalogs, so it works on any Postgres and for any role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import sql

from remanence.db.roles import RUNTIME_ROLE, is_admitted, owns_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.db.connect import Connection

# The roles for which Supabase's Data API (and PostgREST elsewhere) answers requests.
DATA_API_ROLES = ("anon", "authenticated")
# An organization that nobody has: what is visible in it is visible to everybody.
_NOBODY = "org-00000000-0000-0000-0000-000000000000"
# Read by every organization: which migrations were applied.
SHARED_TABLES = frozenset({"schema_migrations"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """The role a connection logged in as."""

    name: str
    is_superuser: bool
    bypasses_rls: bool
    owns_schema: bool
    may_create_schema: bool
    # None: there is no run-time role yet.
    is_admitted: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableGuard:
    """What stands before one table."""

    table: str
    has_rls: bool
    # The roles its policies are for, sorted.
    policy_roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Connections of the server: how many it takes from such a role, and how many are taken."""

    limit: int
    used: int


def read_login(conn: Connection) -> Login:
    """Who is logged in, and what that role may do."""
    row = _one(
        conn,
        "select rolname, rolsuper, rolbypassrls,"
        " has_database_privilege(current_database(), 'create')"
        " from pg_roles where rolname = current_user",
    )
    exists = conn.execute("select to_regrole(%s)", [RUNTIME_ROLE]).fetchone() != (None,)
    return Login(
        name=row[0],
        is_superuser=row[1],
        bypasses_rls=row[2],
        may_create_schema=row[3],
        owns_schema=owns_schema(conn),
        is_admitted=is_admitted(conn, row[0]) if exists else None,
    )


def read_guards(conn: Connection) -> list[TableGuard]:
    """Row-level security of every table of the schema, by name."""
    rows = conn.execute(
        "select class.relname, class.relrowsecurity, coalesce((select array_agg(distinct role"
        " order by role) from pg_policies, unnest(roles) as role"
        " where schemaname = 'remanence' and tablename = class.relname), '{}')"
        " from pg_class as class where class.relkind in ('r', 'p')"
        " and class.relnamespace = to_regnamespace('remanence') order by class.relname"
    ).fetchall()
    return [
        TableGuard(table=name, has_rls=has_rls, policy_roles=tuple(roles))
        for name, has_rls, roles in rows
    ]


def visible_to_nobody(conn: Connection, tables: Sequence[str]) -> list[str]:
    """Which of the tables show rows to the run-time role in an organization that nobody has.

    Takes the run-time role on, so it has to run in a transaction of its own.
    """
    conn.execute("select remanence.enter_org(%s)", [_NOBODY])
    probes = [
        sql.SQL("select {} where exists (select from remanence.{})").format(
            sql.Literal(table), sql.Identifier(table)
        )
        for table in tables
    ]
    return [row[0] for row in conn.execute(sql.SQL(" union all ").join(probes))] if probes else []


def open_to(conn: Connection, role: str) -> list[str] | None:
    """What of our schema a role reaches; None: there is no such role."""
    if conn.execute("select to_regrole(%s)", [role]).fetchone() == (None,):
        return None
    rows = conn.execute(
        "select 'table ' || relname from pg_class where relkind in ('r', 'p', 'v', 'm')"
        " and relnamespace = to_regnamespace('remanence')"
        " and has_schema_privilege(%(role)s, relnamespace, 'usage')"
        " and has_table_privilege(%(role)s, oid, 'select, insert, update, delete, truncate')"
        " union all"
        " select 'function ' || proname from pg_proc"
        " where pronamespace = to_regnamespace('remanence')"
        " and has_schema_privilege(%(role)s, pronamespace, 'usage')"
        " and has_function_privilege(%(role)s, oid, 'execute') order by 1",
        {"role": role},
    ).fetchall()
    return [name for (name,) in rows]


def is_published(conn: Connection) -> bool:
    """Whether PostgREST's settings in the database name our schema among those it serves."""
    row = conn.execute(
        "select exists (select from pg_db_role_setting, unnest(setconfig) as setting"
        r" where setting ~ '^pgrst\.db_schemas=(.*[, \"])?remanence([, \"]|$)')"
    ).fetchone()
    return row == (True,)


def read_room(conn: Connection) -> Room:
    """How many connections there may be, and how many there are."""
    row = _one(
        conn,
        "select current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
        " - coalesce(current_setting('reserved_connections', true)::int, 0),"
        " (select sum(numbackends)::int from pg_stat_database)",
    )
    return Room(limit=row[0], used=row[1])


def _one(conn: Connection, query: LiteralString) -> tuple[Any, ...]:
    """The row of a query that always has one."""
    (row,) = conn.execute(query).fetchall()
    return row
