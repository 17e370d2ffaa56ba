"""The server in one process: `dev` on a laptop, `serve` in a container.

Path: cli -> here -> embedded Postgres or the user's own -> migrations -> wiring's app -> uvicorn.
Runs in the foreground; SIGTERM, SIGHUP and ctrl-C end it in order: requests first, then the
app, then the database.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import uvicorn

from remanence.db.migrate import Migration, migrate
from remanence.errors import AppError, SchemaMismatch, SettingsError
from remanence.local.cluster import LOGIN
from remanence.local.home import home_of, own_secrets_key
from remanence.local.locks import try_lock
from remanence.local.postgres import EmbeddedPostgres
from remanence.local.welcome import say, say_already_running, say_welcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path
    from types import FrameType

    from fastapi import FastAPI

    from remanence.settings import Settings

_LOOPBACK = "127.0.0.1"
# How long open requests may go on after the signal. Docker kills after 10 s.
_GRACE_S = 7
_WATCH_S = 2.0
# After a start that failed; what is in its way may take a while to go.
_WATCH_AFTER_FAILURE_S = 10.0
_STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class PortTaken(AppError):
    """Another program listens where the server was told to."""

    code = "port_taken"


def run_dev(settings: Settings, env: Mapping[str, str]) -> int:
    """Serve on loopback until told to stop, with a database of our own unless one is given.

    Returns:
        0; also when a server of the same home already serves this port.

    Raises:
        AppError: it cannot start; the message says what to do.
    """
    home = home_of(settings.home)
    with ExitStack() as stack:
        stack.enter_context(_orderly_signals())
        lock = _serving_lock(home, settings.port)
        if lock is None:
            say_already_running(home, settings.port, needs_key=bool(settings.api_key))
            return 0
        stack.callback(os.close, lock)
        listener = stack.enter_context(_bound(_LOOPBACK, settings.port))
        if not settings.secrets_key:
            settings = replace(settings, secrets_key=own_secrets_key(home))
        pg_uri = settings.pg_uri or stack.enter_context(_embedded(home, env))
        if settings.pg_uri:
            _migrate(settings.pg_uri)
        in_order = _serve(_app(settings, env, pg_uri), listener, is_dev=True)
    return _leave(in_order=in_order)


def run_server(settings: Settings, env: Mapping[str, str]) -> int:
    """Serve over the database of REMANENCE_PG_URI until told to stop, migrating it first.

    Raises:
        AppError: it cannot start; the message says what to do.
    """
    if not settings.pg_uri:
        raise SettingsError(
            ["REMANENCE_PG_URI (or LETTA_PG_URI) must name a Postgres with pgvector"]
        )
    with ExitStack() as stack:
        stack.enter_context(_orderly_signals())
        listener = stack.enter_context(_bound(settings.host, settings.port))
        _migrate(settings.pg_uri)
        in_order = _serve(_app(settings, env, settings.pg_uri), listener, is_dev=False)
    return _leave(in_order=in_order)


def report_migration(migration: Migration, seconds: float) -> None:
    """One line per applied migration."""
    say(f"  {migration.name}  {seconds:.2f} s")


@contextmanager
def _orderly_signals() -> Generator[None]:
    """Make the signals that ask to stop raise KeyboardInterrupt, until cleaning up begins.

    The process ends with this block: what comes while it cleans up, and after, is ignored.
    """
    _on_stop_signals(signal.default_int_handler)
    try:
        yield
    finally:
        _on_stop_signals(signal.SIG_IGN)


def _on_stop_signals(handler: signal.Handlers | Callable[[int, FrameType | None], object]) -> None:
    for number in _STOP_SIGNALS:
        signal.signal(number, handler)


def _serving_lock(home: Path, port: int) -> int | None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return try_lock(home / f"serving-{port}.lock")
    except OSError as exc:
        raise SettingsError(
            [f"REMANENCE_HOME is {home}, which cannot be used: {exc.strerror}"]
        ) from exc


@contextmanager
def _bound(host: str, port: int) -> Generator[socket.socket]:
    """The port, taken before anything slow starts; listening begins when there is an answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _port_errors(host, port):
            listener.bind((host, port))
        yield listener


@contextmanager
def _port_errors(host: str, port: int) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} is taken by another program; choose another one, for example "
                f"PORT={port + 1 if port < 65_535 else 8283}"
            ) from exc
        raise SettingsError([f"cannot listen on {host}:{port}: {exc.strerror}"]) from exc


@contextmanager
def _embedded(home: Path, env: Mapping[str, str]) -> Generator[str]:
    """The embedded Postgres, migrated: the URI the server uses. It is watched while we serve."""
    pg = EmbeddedPostgres(home, pg_bin=env.get("PG_BIN", ""))
    started = time.monotonic()
    say(f"Starting the database in {home / 'postgres'} ...")
    stopped = threading.Event()
    watch = threading.Thread(target=_keep_running, args=(pg, stopped), name="postgres-watch")
    try:
        pg.start()
        _migrate_home(home, pg.owner_uri)
        say(f"Database ready in {time.monotonic() - started:.1f} s.")
        watch.start()
        yield pg.app_uri
    finally:
        stopped.set()
        if watch.is_alive():
            watch.join()
        _on_stop_signals(signal.SIG_IGN)  # a second ctrl-C leaves nothing half done
        pg.stop()


def _migrate_home(home: Path, owner_uri: str) -> None:
    try:
        _migrate(owner_uri, login_roles=[LOGIN])
    except SchemaMismatch as exc:
        raise SchemaMismatch(
            f"the data in {home} was made by another version of this program.\n"
            f"  To keep using it, start the version (the checkout) that made it.\n"
            f"  To start afresh and keep it aside: mv {home / 'postgres'} {home / 'postgres.old'}\n"
            f"  To keep both: set REMANENCE_HOME to another directory.\n"
            f"({exc.message})"
        ) from exc


def _keep_running(pg: EmbeddedPostgres, stopped: threading.Event) -> None:
    """Start the database again if somebody killed it under us."""
    pause_s = _WATCH_S
    while not stopped.wait(pause_s):
        pause_s = _WATCH_S
        try:
            if not pg.is_running:
                say("The database has gone; starting it again ...")
                pg.start()
        except (AppError, OSError) as exc:
            pause_s = _WATCH_AFTER_FAILURE_S
            say(f"The database cannot be started, trying again in {pause_s:.0f} s: {exc}")


def _migrate(uri: str, login_roles: list[str] | None = None) -> None:
    applied = migrate(uri, report=report_migration, login_roles=login_roles or [])
    if applied:
        say(f"Applied {len(applied)} migration(s).")


def _app(settings: Settings, env: Mapping[str, str], pg_uri: str) -> FastAPI:
    from remanence.wiring import serve_app  # noqa: PLC0415  loads FastAPI and every route

    return serve_app(settings, env, pg_uri)


def _serve(app: FastAPI, listener: socket.socket, *, is_dev: bool) -> bool:
    """Serve until a signal comes; whether every request had its end within the grace.

    uvicorn runs in a thread so that its end can be waited for with a limit: a request that waits
    for a model cannot be interrupted from inside.
    """
    host, port = listener.getsockname()[:2]
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning" if is_dev else "info",
            access_log=not is_dev,
            timeout_graceful_shutdown=_GRACE_S,
            lifespan="on",
        )
    )
    # From here on a request is answered: it waits in the socket until the app has started.
    with _port_errors(host, port):
        listener.listen(512)
    ended = threading.Event()  # Thread.join, when a signal interrupts it, takes it for ended
    threading.Thread(target=_run, args=(server, listener, ended), name="http", daemon=True).start()
    if is_dev:
        say_welcome(app, port)
    else:
        say(f"Serving on {host}:{port}")
    sys.stdout.flush()
    try:
        ended.wait()
    except KeyboardInterrupt:
        say("Stopping ...")
        server.should_exit = True
        with suppress(KeyboardInterrupt):  # once more: somebody is in a hurry
            ended.wait(_GRACE_S + 1)
        return ended.is_set()
    raise AppError("the server ended by itself; see the lines above")


def _run(server: uvicorn.Server, listener: socket.socket, ended: threading.Event) -> None:
    try:
        server.run([listener])
    finally:
        ended.set()


def _leave(*, in_order: bool) -> int:
    """The end of the process: threads that are still in a request are not waited for.

    What they were doing is not lost: it is stored before a model is called, and goes on at the
    next start.
    """
    say("Stopped.")
    if not in_order:
        sys.stdout.flush()
        os._exit(0)
    return 0
