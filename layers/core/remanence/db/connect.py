"""Connections to Postgres: one per process (Lambda) or a pool of them (server).

Path: the store asks a `Connections` for a connection, or hands it work with `run`.
Everything works through a transaction pooler: autocommit, no server-side prepared statements,
no startup options. What libpq and the server complain about becomes a `StoreError` here, with
one clear line that never holds the password.
"""

from __future__ import annotations

import selectors
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import psycopg
from psycopg import pq

from remanence.db.authorities import root_for
from remanence.db.failures import (
    connect_failure,
    is_connection_lost,
    parse_uri,
    store_error,
    translated,
)
from remanence.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from psycopg_pool import ConnectionPool

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")

CONNECT_TIMEOUT_S = 10
# How long a caller of the pool waits for a connection to come free.
POOL_WAIT_S = 5.0

# A peer that vanished without a word (frozen environment, lost route) is noticed within about a
# minute instead of the two hours of the kernel's default.
_KEEPALIVE: dict[str, int] = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Connections(ABC):
    """Where a store gets its connections from. psycopg's errors leave it as store errors."""

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """Lend a connection in autocommit mode."""
        with translated(), self._lent() as conn:
            yield conn

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work`, and do it once more on a fresh connection if the first one was dead.

        For work that may be repeated: reads, and writes that carry a token or an id made by the
        client, because the first try may have been committed before its answer was lost.

        Raises:
            StoreUnavailable: no connection, twice.
            StoreError: the database refused; nothing is tried again.
        """
        with translated():
            with self._lent() as conn:
                try:
                    return work(conn)
                except psycopg.Error as exc:
                    if not is_connection_lost(exc):
                        raise
                    conn.close()
            with self._lent() as conn:
                return work(conn)

    def run_once(self, work: Callable[[Connection], T]) -> T:
        """Do `work`, which may not be repeated once it was sent."""
        with self.connection() as conn:
            return work(conn)

    @abstractmethod
    def close(self) -> None:
        """Give everything back to the server. The source may be used again and reconnects."""

    @abstractmethod
    def _lent(self) -> AbstractContextManager[Connection]:
        """A connection that is not known to be dead, outside any transaction."""


def connect(
    uri: str, *, application_name: str = "remanence", connect_timeout_s: int = CONNECT_TIMEOUT_S
) -> Connection:
    """Open one connection in autocommit mode, fit for a transaction pooler.

    Args:
        uri: a libpq URI.
        application_name: what the server's activity view shows.
        connect_timeout_s: seconds per address of the host, at least 2 (libpq's rule).

    Raises:
        StoreUnavailable: the URI cannot be read, or the server cannot be reached or refuses.
    """
    target = parse_uri(uri)
    try:
        return psycopg.connect(uri, **_parameters(application_name, target, connect_timeout_s))
    except psycopg.Error as exc:
        failure = connect_failure(exc, target)
    # Raised out here so that the cause, which carries the password in its attributes, is not
    # chained to it.
    raise failure


class OneConnection(Connections):
    """One connection per process, opened on first need: what a Lambda environment has.

    A second thread waits until the first one is done. A borrower does not borrow again.
    """

    def __init__(self, uri: str, *, application_name: str = "remanence") -> None:
        self._uri = uri
        self._application_name = application_name
        self._lock = threading.Lock()
        self._conn: Connection | None = None

    def close(self) -> None:
        """See `Connections.close`."""
        with self._lock:
            self._hang_up()

    def _hang_up(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    @contextmanager
    def _lent(self) -> Generator[Connection]:
        with self._lock:
            if self._conn is None or is_dead(self._conn):
                self._hang_up()
                self._conn = connect(self._uri, application_name=self._application_name)
            try:
                yield self._conn
            finally:
                _leave_clean(self._conn)


class PooledConnections(Connections):
    """A pool for a server with threads; opened at first use, at most `size` connections."""

    def __init__(self, uri: str, *, size: int, application_name: str = "remanence") -> None:
        self._uri = uri
        self._size = size
        self._application_name = application_name
        self._lock = threading.Lock()
        self._pool: ConnectionPool[Connection] | None = None
        self._in_use = 0

    def close(self) -> None:
        """See `Connections.close`."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    @contextmanager
    def _lent(self) -> Generator[Connection]:
        from psycopg_pool import PoolTimeout  # noqa: PLC0415  not in the Lambda layer

        pool = self._opened()
        try:
            conn = pool.getconn()
        except PoolTimeout:
            conn = None
        if conn is None:
            raise self._why_none()
        self._count(1)
        try:
            yield conn
        finally:
            _leave_clean(conn)
            self._count(-1)
            pool.putconn(conn)

    def _count(self, more: int) -> None:
        with self._lock:
            self._in_use += more

    def _opened(self) -> ConnectionPool[Connection]:
        from psycopg_pool import ConnectionPool  # noqa: PLC0415  not in the Lambda layer

        with self._lock:
            if self._pool is None:
                target = parse_uri(self._uri)
                self._pool = ConnectionPool(
                    self._uri,
                    kwargs=_parameters(self._application_name, target, CONNECT_TIMEOUT_S),
                    min_size=0,
                    max_size=self._size,
                    timeout=POOL_WAIT_S,
                    check=_check_alive,
                    open=True,
                )
            return self._pool

    def _why_none(self) -> StoreUnavailable:
        """The pool only says that it waited: ask the server itself for the reason."""
        try:
            with connect(self._uri, application_name=self._application_name) as conn:
                conn.execute("select 1")  # a pooler takes connections for a server that is away
        except StoreUnavailable as reason:
            return reason
        except psycopg.Error as exc:
            return StoreUnavailable(store_error(exc).message)
        if self._in_use < self._size:  # nobody had them: the server has only just come back
            return StoreUnavailable(
                f"the database at {self._where()} was not reachable for {POOL_WAIT_S:.0f} s, "
                "and is now; try again"
            )
        return StoreUnavailable(
            f"all {self._size} database connections were busy for {POOL_WAIT_S:.0f} s; "
            "raise REMANENCE_POOL_SIZE, or send less at once"
        )

    def _where(self) -> str:
        target = parse_uri(self._uri)
        return f"{target.get('host') or 'the local socket'}:{target.get('port') or '5432'}"


def is_dead(conn: Connection) -> bool:
    """Whether the server has hung up, found without a round trip.

    An idle connection has nothing to say, so a readable socket means a goodbye or a stray
    notice; libpq reads it and tells which. What is still unnoticed (a peer that vanished
    silently) shows at the first statement: see `Connections.run`.
    """
    if conn.closed:
        return True
    try:
        with selectors.DefaultSelector() as selector:  # select() cannot watch a descriptor > 1023
            selector.register(conn.fileno(), selectors.EVENT_READ)
            while selector.select(0):  # until there is nothing left, or the end of file
                conn.pgconn.consume_input()
    except (psycopg.Error, OSError):
        return True
    return conn.pgconn.status != pq.ConnStatus.OK


def _leave_clean(conn: Connection) -> None:
    """End a transaction that an error left open, so that the next borrower starts afresh."""
    if not conn.closed and conn.info.transaction_status != pq.TransactionStatus.IDLE:
        try:
            conn.rollback()
        except psycopg.Error:
            conn.close()


def _check_alive(conn: Connection) -> None:
    if is_dead(conn):
        raise psycopg.OperationalError("the server has closed the connection")


def _parameters(application_name: str, target: dict[str, str], timeout_s: int) -> dict[str, Any]:
    """Keyword arguments of `psycopg.connect`; what the URI sets itself wins."""
    defaults: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": timeout_s,
        **_KEEPALIVE,
    }
    root = root_for(target)
    if root:
        defaults["sslrootcert"] = root
    kept = {name: value for name, value in defaults.items() if name not in target}
    return {"autocommit": True, "prepare_threshold": None, **kept}
