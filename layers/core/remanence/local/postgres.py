"""The embedded Postgres of a laptop: one server per home, shared by whoever needs it.

Every process that uses it holds a share of `users.lock`; the last one to leave stops the server.
A process that is killed leaves its share to the kernel: the server goes on, and the next start
joins it. Whether a server runs is told by `server.lock`, which the server itself inherits and
holds, never by a PID; whether it is usable, by a real connection and the cluster's identifier.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

from remanence.errors import StoreUnavailable
from remanence.local.cluster import ADMIN, LOGIN, OWNER, Cluster, Profile
from remanence.local.locks import is_locked, locked, try_lock

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

DATABASE = "app"

# A server that crashed replays its log before it answers; a first start makes the files.
_START_WAIT_S = 60.0
# Fast shutdown ends sessions and writes a checkpoint; then immediate; then the hard way.
_STOP_LADDER = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 5.0))
_PORT_TRIES = 3
_POLL_S = 0.03


class EmbeddedPostgres:
    """One handle per process on the server below `home`; not for several threads.

    Args:
        home: directory of the project's data; the server's files live in `home/postgres`.
        profile: "test" trades durability for speed.
        pg_bin: directory with `postgres` and `initdb`; empty: the ones of the wheel.
    """

    def __init__(self, home: Path, profile: Profile = "dev", *, pg_bin: str = "") -> None:
        self._cluster = Cluster(home.absolute() / "postgres", profile, pg_bin)
        self._users = self._cluster.root / "users.lock"
        self._starting = self._cluster.root / "start.lock"
        self._share: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def admin_uri(self) -> str:
        """Superuser."""
        return self.uri(ADMIN)

    @property
    def owner_uri(self) -> str:
        """The role that runs migrations: owns database and schema, has no special right."""
        return self.uri(OWNER)

    @property
    def app_uri(self) -> str:
        """The role that serves: bound by row-level security."""
        return self.uri(LOGIN)

    def uri(self, role: str, database: str = DATABASE) -> str:
        """The URI of a database for one of the three roles."""
        password = quote(self._cluster.passwords[role], safe="")
        return f"postgresql://{role}:{password}@127.0.0.1:{self._cluster.port}/{database}"

    @property
    def is_running(self) -> bool:
        """Whether a server process lives; it may still be starting."""
        return is_locked(self._cluster.server_lock)

    def start(self) -> None:
        """Join the running server, or start one; returns when it answers. May be repeated.

        Raises:
            StoreUnavailable: it cannot be started; the message ends with the server's own words.
        """
        try:
            self._cluster.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with locked(self._starting, wait_s=2 * _START_WAIT_S):
                if self._share is None:
                    self._share = try_lock(self._users, shared=True)
                self._ensure_running()
                self._ensure_contents()
        except BaseException as exc:
            self._leave()
            if isinstance(exc, psycopg.Error):
                raise self._failure("cannot be prepared") from exc
            if isinstance(exc, OSError):
                raise StoreUnavailable(
                    f"cannot use {exc.filename or self._cluster.root}: {exc.strerror}; "
                    "set REMANENCE_HOME to a directory of your own"
                ) from exc
            raise

    def stop(self) -> None:
        """Leave; the last one to leave stops the server. May be repeated."""
        if self._share is None:
            return
        if not self._cluster.root.is_dir():
            self._leave()
            self._abandon()
            return
        with locked(self._starting, wait_s=2 * _START_WAIT_S):
            self._leave()
            alone = try_lock(self._users)
            if alone is not None:
                self._shut_down()
                os.close(alone)

    def _leave(self) -> None:
        if self._share is not None:
            os.close(self._share)
            self._share = None

    def _ensure_running(self) -> None:
        deadline = time.monotonic() + _START_WAIT_S
        self._cluster.initialize()
        while time.monotonic() < deadline:
            lock = try_lock(self._cluster.server_lock)
            if lock is not None:
                self._launch(lock)
                return
            if self._answers():
                return
            time.sleep(_POLL_S)
        raise self._failure("does not answer")

    def _launch(self, lock: int) -> None:
        """Start a server that takes over the open lock, on the last port if it is free."""
        if self._process:  # ours before; without the lock it is dead, and is buried here
            self._process.wait()
        try:
            for _ in range(_PORT_TRIES):
                port = _free_port(self._cluster.port)
                self._cluster.remember_port(port)
                self._process = self._cluster.spawn(port, lock)
                if self._comes_up(self._process):
                    return
        finally:
            os.close(lock)
        raise self._failure("did not start")

    def _comes_up(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _START_WAIT_S
        while process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(_POLL_S)
        process.kill()
        process.wait()
        return False

    def _answers(self) -> bool:
        """Whether the server on our port is the one of our cluster, by a real connection."""
        try:
            with self._connect("postgres") as conn:
                row = conn.execute("select system_identifier from pg_control_system()").fetchone()
        except psycopg.Error:
            return False
        return row is not None and row[0] == self._cluster.system_identifier

    def _connect(self, database: str) -> psycopg.Connection:
        # A stranger on our port must not be told the password: SCRAM never sends it.
        return psycopg.connect(
            self.uri(ADMIN, database),
            autocommit=True,
            connect_timeout=5,
            require_auth="scram-sha-256",
        )

    def _ensure_contents(self) -> None:
        """The roles, pgvector and the database, as a hosted Postgres would bring them.

        The database comes last and is made from template1, so when it is there, all is there.
        """
        with self._connect("template1") as conn:
            found = conn.execute("select from pg_database where datname = %s", [DATABASE])
            if found.fetchone() is not None:
                return
            self._ensure_role(conn, OWNER, "createrole nobypassrls")
            self._ensure_role(conn, LOGIN, "nobypassrls")
            conn.execute("create schema if not exists extensions")
            conn.execute("grant usage on schema extensions to public")
            available = conn.execute("select from pg_available_extensions where name = 'vector'")
            if available.fetchone() is not None:  # else the migrations say what to do about it
                conn.execute("create extension if not exists vector schema extensions")
        with self._connect("postgres") as conn:
            conn.execute(
                sql.SQL("create database {} owner {}").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )

    def _ensure_role(self, conn: psycopg.Connection, role: str, rights: LiteralString) -> None:
        if conn.execute("select to_regrole(%s)", [role]).fetchone() == (None,):
            conn.execute(
                sql.SQL("create role {} login {} password {}").format(
                    sql.Identifier(role),
                    sql.SQL(rights),
                    sql.Literal(self._cluster.passwords[role]),
                )
            )

    def _shut_down(self) -> None:
        pid = self._server_pid()
        for how, wait_s in _STOP_LADDER if pid else ():
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                break
            if self._is_gone_within(wait_s):
                break
        if self._process:
            self._process.poll()

    def _abandon(self) -> None:
        """End our server although somebody deleted its files: nothing is left to keep in order.

        (One that is not our child notices by itself within a minute.)
        """
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def _server_pid(self) -> int:
        """The process to signal, or 0. A PID file is believed only while its server answers."""
        if self._process and self._process.poll() is None:
            return self._process.pid
        if self.is_running and self._answers():
            return self._cluster.postmaster_pid
        return 0

    def _is_gone_within(self, wait_s: float) -> bool:
        deadline = time.monotonic() + wait_s
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _failure(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"the embedded Postgres in {self._cluster.root} {what}; its log ends with:\n"
            f"{self._cluster.log_tail()}"
        )


def _free_port(wanted: int) -> int:
    """The wanted port if nobody listens on it, else any free one of the loopback."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StoreUnavailable("no free port on 127.0.0.1")
