"""Schema migrations: forward only, each exactly once, whoever else is migrating.

A folder of `NNNN_verb_object.sql`, numbered without gaps. What was applied stands in
`remanence.schema_migrations` with the SHA-256 of its file; released files never change.
Each migration is a transaction of its own that first takes one advisory lock, so any number of
runners may start at once. A first line `-- migrate: no-transaction` (for `create index
concurrently`) runs the file's single statement outside of one.

The few statements below are not in `sql/`: they run before there is a schema to check them
against.
"""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, LiteralString, cast

import psycopg
from psycopg import pq

from remanence.db.connect import connect
from remanence.db.failures import translated
from remanence.db.preconditions import check_server_version, check_session_mode, ensure_vector
from remanence.db.roles import admit, current_role, open_bookkeeping, owns_schema
from remanence.db.seed import seed
from remanence.errors import DatabaseUnfit, SchemaMismatch, SchemaNewer, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from importlib.resources.abc import Traversable

    from remanence.db.connect import Connection

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_NO_TRANSACTION = "-- migrate: no-transaction"
# Any number that no other program on the server is likely to lock: "remanenc" in ASCII.
_LOCK_KEY = 0x72656D616E656E63
_LOCK_WAIT_S = 300.0
_LOCK_POLL_S = 0.2
# A migration that waits for a table lock makes everybody behind it wait: give up, try again.
_LOCK_TIMEOUT = "5s"
_STATEMENT_TIMEOUT = "15min"
_TRIES = 5

_PREPARE = """
create table remanence.schema_migrations (
    version integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
);
alter table remanence.schema_migrations enable row level security;
revoke all on remanence.schema_migrations from public;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file; `sha256` is over its bytes, in hex."""

    version: int
    name: str
    text: str
    sha256: str

    @property
    def in_transaction(self) -> bool:
        """False when the first line is the directive."""
        return not self.text.startswith(_NO_TRANSACTION)


def _silent(migration: Migration, seconds: float) -> None:
    """The default report: none."""


def migrate(
    uri: str,
    *,
    folder: Traversable | None = None,
    report: Callable[[Migration, float], None] = _silent,
    login_roles: Sequence[str] = (),
) -> list[Migration]:
    """Bring the database to this version of the code.

    With nothing to apply it only brings the built-in tools to this version, and that only as the
    schema's owner; so any role and any pooler will do.

    Args:
        uri: a direct or session-mode URI of a role that may create a schema.
        folder: where the files are; default: the ones of this package.
        report: called after each migration with the seconds it took.
        login_roles: further roles that become members of the run-time role.

    Returns:
        The migrations this call applied, in order.

    Raises:
        DatabaseUnfit: a precondition is missing; the message names the remedy.
        SchemaMismatch: an applied file was edited.
        SchemaNewer: the database is newer than the code.
        StoreError: a migration failed; it was rolled back, those before it stay.
        StoreUnavailable: no connection.
    """
    migrations = read_migrations(folder)
    with connect(uri, application_name="remanence migrate") as conn, translated():
        check_server_version(conn.info.server_version)
        applied: list[Migration] = []
        if pending(conn, migrations):
            check_session_mode(uri, conn)
            admit(conn, login_roles)  # before anything is changed: it may be refused
            _prepare(conn)
            while step := _apply_next(conn, migrations, report):
                applied.append(step)
        admit(conn, login_roles)
        open_bookkeeping(conn)
        if folder is None and owns_schema(conn):
            seed(conn)
    return applied


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """All files of a folder in order.

    Raises:
        SchemaMismatch: a name does not follow the pattern, or the numbers are not 1, 2, 3, ...
    """
    root = folder or files("remanence.db") / "migrations"
    found: list[Migration] = []
    for entry in sorted(root.iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.fullmatch(entry.name)
        if match is None or int(match[1]) != len(found) + 1:
            raise SchemaMismatch(
                f"migration {entry.name!r} must be named {len(found) + 1:04d}_verb_object.sql"
            )
        content = entry.read_bytes()
        found.append(
            Migration(
                version=int(match[1]),
                name=entry.name,
                text=content.decode(),
                sha256=hashlib.sha256(content).hexdigest(),
            )
        )
    return found


def pending(conn: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied, after comparing what was applied with the files.

    Raises:
        SchemaMismatch: an applied file was edited.
        SchemaNewer: the database is newer than the code.
    """
    if conn.execute("select to_regclass('remanence.schema_migrations')").fetchone() == (None,):
        return list(migrations)
    rows = conn.execute(
        "select version, name, sha256 from remanence.schema_migrations order by version"
    ).fetchall()
    for (version, name, sha256), migration in zip(rows, migrations, strict=False):
        if (version, sha256) != (migration.version, migration.sha256):
            raise SchemaMismatch(
                f"migration {migration.name!r} is not the file that was applied to this database "
                f"as {name!r}; applied files never change, so restore it and write a new one"
            )
    if len(rows) > len(migrations):
        raise SchemaNewer(
            f"the database is at migration {rows[-1][1]!r}, newer than this version of the code, "
            f"which ends at {len(migrations):04d}; deploy the newer version"
        )
    return list(migrations[len(rows) :])


def _prepare(conn: Connection) -> None:
    """Create what migrations stand on: the schema, the bookkeeping table and pgvector."""
    try:
        with _locked_transaction(conn):
            ensure_vector(conn)
            if conn.execute("select to_regnamespace('remanence')").fetchone() == (None,):
                conn.execute("create schema remanence")
            known = conn.execute("select to_regclass('remanence.schema_migrations')").fetchone()
            if known == (None,):
                conn.execute(_PREPARE)
    except psycopg.errors.InsufficientPrivilege as exc:
        raise DatabaseUnfit(
            f"role {current_role(conn)!r} may not create a schema in {conn.info.dbname!r}; "
            "run `remanence migrate --uri ...` as the owner of the database"
        ) from exc


def _apply_next(
    conn: Connection,
    migrations: Sequence[Migration],
    report: Callable[[Migration, float], None],
) -> Migration | None:
    """Apply the first pending migration; None when another runner has left none."""
    started = time.monotonic()
    for attempt in range(_TRIES):
        try:
            done = _apply_once(conn, migrations)
        except psycopg.errors.LockNotAvailable:
            if attempt == _TRIES - 1:
                raise
            time.sleep(attempt + 1.0)
            continue
        if done is not None:
            report(done, time.monotonic() - started)
        return done
    return None


def _apply_once(conn: Connection, migrations: Sequence[Migration]) -> Migration | None:
    with _locked_transaction(conn):
        todo = pending(conn, migrations)
        if not todo:
            return None
        if todo[0].in_transaction:
            _execute(conn, todo[0])
            _record(conn, todo[0])
            return todo[0]
    with _locked_session(conn):
        todo = pending(conn, migrations)
        if todo and not todo[0].in_transaction:
            _execute(conn, todo[0])
            _record(conn, todo[0])
    return todo[0] if todo else None


def _execute(conn: Connection, migration: Migration) -> None:
    before = conn.info.transaction_status
    try:
        # A file of this project is as literal as a string in it.
        conn.execute(cast("LiteralString", migration.text))  # type: ignore[redundant-cast]
    except psycopg.errors.LockNotAvailable:
        raise
    except psycopg.Error as exc:
        position = int(exc.diag.statement_position or 0)  # 0: it happened while it ran
        line = migration.text.count("\n", 0, position) + 1
        where = f" near line {line}" if position else ""
        said = exc.diag.message_primary or "the connection was lost"
        raise StoreError(
            f"migration {migration.name!r} failed{where} and changed nothing: {said} "
            f"({exc.sqlstate})"
        ) from exc
    if conn.info.transaction_status != before:
        raise StoreError(
            f"migration {migration.name!r} ends the transaction it runs in; take its `commit` or "
            f"`rollback` out, or begin it with {_NO_TRANSACTION!r}"
        )


def _record(conn: Connection, migration: Migration) -> None:
    conn.execute(
        "insert into remanence.schema_migrations (version, name, sha256) values (%s, %s, %s)",
        [migration.version, migration.name, migration.sha256],
    )


@contextmanager
def _locked_transaction(conn: Connection) -> Generator[None]:
    """A transaction under the lock, with time limits and nothing on the search path.

    Polled, not waited for: a waiting statement holds a snapshot, and the runner that has the lock
    may be in `create index concurrently`, which waits for all older snapshots.
    """
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        with conn.transaction():
            row = conn.execute("select pg_try_advisory_xact_lock(%s)", [_LOCK_KEY]).fetchone()
            if row == (True,):
                conn.execute(
                    "select set_config('lock_timeout', %s, true),"
                    " set_config('statement_timeout', %s, true),"
                    " set_config('client_min_messages', 'warning', true),"
                    " set_config('search_path', '', true)",
                    [_LOCK_TIMEOUT, _STATEMENT_TIMEOUT],
                )
                yield
                return
        _wait_for_the_other(deadline)


@contextmanager
def _locked_session(conn: Connection) -> Generator[None]:
    """The same lock for what cannot run in a transaction. The connection is proven to be ours."""
    deadline = time.monotonic() + _LOCK_WAIT_S
    while conn.execute("select pg_try_advisory_lock(%s)", [_LOCK_KEY]).fetchone() != (True,):
        _wait_for_the_other(deadline)
    try:
        conn.execute("set statement_timeout = 0; set lock_timeout = 0; set search_path = ''")
        yield
    finally:
        if conn.info.transaction_status == pq.TransactionStatus.IDLE:
            conn.execute("select pg_advisory_unlock(%s)", [_LOCK_KEY])


def _wait_for_the_other(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise StoreError(
            f"another migration run has held the lock for {_LOCK_WAIT_S:.0f} s; look at it in "
            "pg_stat_activity (application_name 'remanence migrate')"
        )
    time.sleep(_LOCK_POLL_S)
