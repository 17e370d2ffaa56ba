"""Who may act as the run-time role, the one that row-level security speaks about.

Beside the main path: the last act of `migrate.py`. The role itself is made by the first
migration; it cannot log in. A login role becomes a member and takes it on per transaction.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from remanence.errors import DatabaseUnfit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.db.connect import Connection

RUNTIME_ROLE = "remanence_app"


def current_role(conn: Connection) -> str:
    """The role as the server knows it (some poolers have the login name carry more)."""
    row = conn.execute("select current_user").fetchone()
    return str(row[0]) if row else ""


def owns_schema(conn: Connection) -> bool:
    """Whether the current role may write past row-level security, as the owner of our tables."""
    row = conn.execute(
        "select pg_has_role(nspowner, 'USAGE') from pg_namespace where nspname = 'remanence'"
    ).fetchone()
    return row is not None and bool(row[0])


def is_admitted(conn: Connection, role: str) -> bool:
    """Whether `role` can take on the run-time role, which has to exist."""
    # Since 16 the creator of a role is a member of it that may not become it.
    may = "SET" if conn.info.server_version >= 160_000 else "MEMBER"
    row = conn.execute("select pg_has_role(%s, %s, %s)", [role, RUNTIME_ROLE, may]).fetchone()
    return row == (True,)


def admit(conn: Connection, login_roles: Sequence[str] = ()) -> None:
    """Let the current user and `login_roles` take on the run-time role, where they cannot yet.

    Without the run-time role: does nothing.

    Raises:
        DatabaseUnfit: a role is no member and the current user may not make it one.
    """
    if conn.execute("select to_regrole(%s)", [RUNTIME_ROLE]).fetchone() == (None,):
        return
    for role in (current_role(conn), *login_roles):
        if is_admitted(conn, role):
            continue
        grant = sql.SQL("grant {} to {}").format(sql.Identifier(RUNTIME_ROLE), sql.Identifier(role))
        try:
            conn.execute(grant)
        except psycopg.errors.InsufficientPrivilege as exc:
            raise DatabaseUnfit(
                f"role {role!r} is not a member of {RUNTIME_ROLE!r}, which is there already "
                "(roles belong to the whole server, so another database of it may have made it); "
                f"let an administrator, or the role that made it, run: {grant.as_string(conn)}"
            ) from exc


def open_bookkeeping(conn: Connection) -> None:
    """Let the run-time role read which migrations were applied.

    A server that logs in without the right to migrate can then tell that it need not.
    """
    table = "remanence.schema_migrations"
    readable = conn.execute(
        "select to_regrole(%(role)s) is null"
        " or has_table_privilege(to_regrole(%(role)s), %(table)s, 'select')",
        {"role": RUNTIME_ROLE, "table": table},
    ).fetchone()
    if readable == (True,):
        return
    # Another runner may be faster.
    with suppress(psycopg.errors.DuplicateObject), conn.transaction():
        conn.execute(
            "create policy schema_migrations_of_all on remanence.schema_migrations"
            " for select to remanence_app using (true);"
            "grant select on remanence.schema_migrations to remanence_app"
        )
