"""What a database must bring before migrations run, each lack with its remedy.

Beside the main path: `migrate.py` and `remanence doctor` ask. Nothing here changes the database
except `ensure_vector`, which creates the extension where the role may.
"""

from __future__ import annotations

import re
import selectors
from typing import TYPE_CHECKING

import psycopg
from psycopg import pq

from remanence.db.connect import connect
from remanence.errors import DatabaseUnfit, StoreUnavailable

if TYPE_CHECKING:
    from remanence.db.connect import Connection

# 15: what the oldest Supabase projects run. No upper bound: a newer server is not refused.
OLDEST_SERVER = 15
# halfvec came with pgvector 0.7.
OLDEST_VECTOR = (0, 7)

# The second connection of the probe may have to queue for a server connection (a session-mode
# pool that is full). That long, and the probe has no finding.
_PROBE_WAIT_S = 3.0
_PROBE_ROUNDS = 3


def check_server_version(server_version: int) -> None:
    """Refuse a server that is too old; `server_version` as libpq gives it (160014 = 16.14)."""
    if server_version < OLDEST_SERVER * 10_000:
        found = f"{server_version // 10_000}.{server_version % 10_000}"
        raise DatabaseUnfit(
            f"the database is Postgres {found}, and {OLDEST_SERVER} or newer is needed; "
            "upgrade the server, or point REMANENCE_PG_URI at another one"
        )


def check_vector_version(installed: str, *, remedy: str) -> None:
    """Refuse a pgvector without `halfvec`; versions are compared as numbers."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", installed)[:2])
    if numbers < OLDEST_VECTOR:
        oldest = ".".join(str(number) for number in OLDEST_VECTOR)
        raise DatabaseUnfit(
            f"pgvector is {installed} here, and {oldest} or newer is needed; {remedy}"
        )


def has_vector(conn: Connection) -> bool:
    """Whether pgvector is installed in the database, in some schema; False: it can be.

    Raises:
        DatabaseUnfit: the server does not have it, or has too old a version.
    """
    row = conn.execute("select extversion from pg_extension where extname = 'vector'").fetchone()
    if row is not None:
        check_vector_version(row[0], remedy="run `alter extension vector update` as administrator")
        return True
    row = conn.execute(
        "select default_version from pg_available_extensions where name = 'vector'"
    ).fetchone()
    major = conn.info.server_version // 10_000
    if row is None:
        raise DatabaseUnfit(
            "pgvector is not installed on the database server; install it there (Debian package "
            f"postgresql-{major}-pgvector, container image pgvector/pgvector:pg{major}; Supabase, "
            "RDS, Cloud SQL and Neon have it), then start again"
        )
    check_vector_version(row[0], remedy=f"install a newer postgresql-{major}-pgvector there")
    return False


def ensure_vector(conn: Connection) -> None:
    """Make sure that pgvector is installed in some schema, creating it in `extensions`.

    Runs inside the caller's transaction.

    Raises:
        DatabaseUnfit: the server does not have it, has too old a version, or the role may not
            create it.
    """
    if has_vector(conn):
        return
    try:
        if conn.execute("select to_regnamespace('extensions')").fetchone() == (None,):
            conn.execute("create schema extensions")
        conn.execute("create extension vector schema extensions")
    except psycopg.errors.InsufficientPrivilege as exc:
        raise DatabaseUnfit(
            "the role may not create the extension pgvector; let an administrator "
            f"of database {conn.info.dbname!r} run once: create schema if not exists extensions; "
            "create extension vector schema extensions; grant usage on schema extensions to public;"
        ) from exc


def check_session_mode(uri: str, conn: Connection) -> bool:
    """Refuse a URI that leads through a transaction pooler.

    Behind one, two transactions of one client may run on two server connections. It is seen from
    outside: while a second client holds a transaction open, either it was given the server
    connection that the first had used, or the first is given another one. With a direct
    connection or a session pooler neither can happen. (The port, 6543 by custom, proves nothing.)

    Args:
        uri: what `conn` was opened with.
        conn: an idle connection in autocommit mode.

    Returns:
        Whether it is known: False when no second client was let in to compare with.

    Raises:
        DatabaseUnfit: it is a transaction pooler.
    """
    for _ in range(_PROBE_ROUNDS):
        finding = _shares_its_server_connection(uri, conn)
        if finding is None:
            return False
        if finding:
            raise DatabaseUnfit(
                "the database URI leads through a transaction pooler, and migrations need a "
                "connection of their own; give the direct or session-mode URI to `remanence "
                "migrate --uri ...` (Supabase: same host, port 5432 instead of 6543). The server "
                "itself may go on using the pooler"
            )
    return True


def _shares_its_server_connection(uri: str, conn: Connection) -> bool | None:
    """None: no second client was let in, so there is nothing to compare with."""
    before = _backend_pid(conn)
    try:
        other = connect(uri, application_name="remanence probe")
    except StoreUnavailable:
        return None
    try:
        held = _hold_transaction(other)
        return None if held is None else held == before or _backend_pid(conn) != before
    finally:
        other.close()


def _backend_pid(conn: Connection) -> int:
    row = conn.execute("select pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def _hold_transaction(conn: Connection) -> int | None:
    """Open a transaction and tell its server process; None if no server came free in time.

    On libpq's own level, because a full session pool answers nothing at all and psycopg would
    wait for it without end.
    """
    conn.pgconn.send_query(b"begin; select pg_backend_pid()")
    with selectors.DefaultSelector() as selector:
        selector.register(conn.fileno(), selectors.EVENT_READ)
        while conn.pgconn.is_busy():
            if not selector.select(_PROBE_WAIT_S):
                return None
            conn.pgconn.consume_input()
    pid = None
    while result := conn.pgconn.get_result():
        if result.status == pq.ExecStatus.TUPLES_OK:
            pid = int(result.get_value(0, 0) or 0)
    return pid
