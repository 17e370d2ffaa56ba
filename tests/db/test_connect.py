"""Connecting: what is said when it fails, and what survives a lost connection."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from support.bouncer import Bouncer, pgbouncer_program
from support.process import free_port, silent_listener

from remanence.db.connect import (
    Connection,
    Connections,
    OneConnection,
    PooledConnections,
    connect,
    is_dead,
)
from remanence.db.failures import without_secrets
from remanence.errors import SchemaMismatch, StoreError, StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.pg import Database, Databases

HIDDEN = "s3cr3t"


def with_parts(uri: str, **parts: str) -> str:
    """`uri` with another user, password, host, port or database."""
    split = urlsplit(uri)
    found = {
        "user": split.username,
        "password": split.password,
        "host": split.hostname,
        "port": split.port,
        "database": split.path.removeprefix("/"),
    } | parts
    return "postgresql://{user}:{password}@{host}:{port}/{database}".format(**found)


def backend_pid(conn: Connection) -> int:
    row = conn.execute("select pg_backend_pid()").fetchone()
    assert row
    return int(row[0])


def end_session(database: Database, pid: int) -> None:
    with psycopg.connect(database.admin_uri, autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(%s, 5000)", [pid])


def test_connect_gives_a_connection_fit_for_a_pooler(database: Database) -> None:
    with connect(database.app_uri, application_name="here") as conn:
        assert (conn.autocommit, conn.prepare_threshold) == (True, None)
        row = conn.execute("select current_setting('application_name')").fetchone()
        assert row == ("here",)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:s3cr3t@[::1:5432/app",
        "postgresql://me:s3cr3t@host:54x2/app",
        "postgresql://me:left@s3cr3t@host/app",
        "postgresql://me:left/s3cr3t@host/app",
        "postgresql://me:12/s3cr3t@host/app",
        "postgresql://me:s3cr3t%zz@host/app",
    ],
)
def test_connect_with_an_unreadable_uri_shows_nothing_of_it(uri: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be read") as failed:
        connect(uri)

    assert HIDDEN not in failed.value.message
    assert failed.value.__context__ is None


def test_connect_with_a_wrong_password_says_so_and_hides_it(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="password authentication failed") as failed:
        connect(with_parts(database.app_uri, password=HIDDEN))

    assert HIDDEN not in failed.value.message
    assert "\n" not in failed.value.message
    assert failed.value.__context__ is None  # its attributes would hold the password


def test_connect_with_a_short_password_mangles_no_word(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="password authentication failed for user"):
        connect(with_parts(database.app_uri, password="p"))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("invalid port number", "invalid port number"),
        ('in "postgresql://me:s3cr3t@host/app"', 'in "postgresql://me:***@host/app"'),
        ("in postgres://me:s3/cr3t@host", "in postgres://me:s3/cr3t@host"),
        ("near 'host=x password=s3cr3t user=y'", "near 'host=x password=*** user=y'"),
        ("password='s3 cr\\'3t' x", "password=*** x"),
        ("sslpassword = s3cr3t", "sslpassword = ***"),
        ("?user=me&password=s3cr3t&host=x", "?user=me&password=***&host=x"),
    ],
)
def test_without_secrets_masks_passwords_where_they_stand(said: str, shown: str) -> None:
    assert without_secrets(said) == shown


def test_connect_to_an_unknown_database_names_it(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match=r'database "nowhere" does not exist$'):
        connect(with_parts(database.app_uri, database="nowhere"))


def test_connect_to_a_closed_port_says_refused() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 as me: Connection refused"):
        connect(f"postgresql://me:{HIDDEN}@127.0.0.1:1/app")


def test_connect_to_an_unknown_host_names_it() -> None:
    with pytest.raises(StoreUnavailable, match=r"failed to resolve host 'no\.such\.invalid'"):
        connect(f"postgresql://me:{HIDDEN}@no.such.invalid/app")


def test_connect_to_a_host_that_says_nothing_gives_up_in_time() -> None:
    started = time.monotonic()
    with (
        silent_listener() as port,
        pytest.raises(StoreUnavailable, match="no answer in time"),
    ):
        connect(f"postgresql://me:{HIDDEN}@127.0.0.1:{port}/app", connect_timeout_s=2)

    assert time.monotonic() - started < 4


def test_connect_with_tls_demanded_of_a_server_without_says_so(database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="does not support SSL"):
        connect(database.app_uri + "?sslmode=require")


MAKERS: list[Callable[[str], Connections]] = [
    OneConnection,
    lambda uri: PooledConnections(uri, size=2),
]


@pytest.fixture(params=MAKERS, ids=["one", "pooled"])
def make(request: pytest.FixtureRequest) -> Callable[[str], Connections]:
    maker: Callable[[str], Connections] = request.param
    return maker


@pytest.fixture
def source(make: Callable[[str], Connections], database: Database) -> Generator[Connections]:
    made = make(database.app_uri)
    yield made
    made.close()


def test_connections_keep_their_connection(source: Connections) -> None:
    assert source.run(backend_pid) == source.run(backend_pid)


def test_is_dead_sees_an_ended_session_without_a_round_trip(database: Database) -> None:
    with connect(database.app_uri) as conn:
        assert not is_dead(conn)
        end_session(database, backend_pid(conn))
        assert not conn.closed  # the driver has not noticed
        assert is_dead(conn)


def test_run_once_after_the_server_hung_up_uses_a_fresh_connection(
    source: Connections, database: Database
) -> None:
    before = source.run_once(backend_pid)
    end_session(database, before)

    assert source.run_once(backend_pid) != before


def test_run_on_a_connection_that_dies_meanwhile_is_done_once_more(
    source: Connections, database: Database
) -> None:
    pids: list[int] = []

    def work(conn: Connection) -> int:
        pids.append(backend_pid(conn))
        if len(pids) == 1:
            end_session(database, pids[0])
        return backend_pid(conn)

    answer = source.run(work)

    assert len(pids) == 2
    assert answer == pids[1] != pids[0]


def test_run_on_connections_that_keep_dying_gives_up(
    source: Connections, database: Database
) -> None:
    tries = 0

    def work(conn: Connection) -> int:
        nonlocal tries
        tries += 1
        end_session(database, backend_pid(conn))
        return backend_pid(conn)

    with pytest.raises(StoreUnavailable, match=r"does not answer \(57P01\)"):
        source.run(work)

    assert tries == 2


def test_run_once_on_a_connection_that_dies_meanwhile_is_not_repeated(
    source: Connections, database: Database
) -> None:
    tries = 0

    def work(conn: Connection) -> int:
        nonlocal tries
        tries += 1
        end_session(database, backend_pid(conn))
        return backend_pid(conn)

    with pytest.raises(StoreUnavailable):
        source.run_once(work)

    assert tries == 1


def test_run_with_a_refused_statement_is_not_repeated(source: Connections) -> None:
    tries = 0

    def work(conn: Connection) -> None:
        nonlocal tries
        tries += 1
        conn.execute("select 1 / 0")

    with pytest.raises(StoreRefused, match=r"\(22012\): division by zero") as failed:
        source.run(work)

    assert (tries, type(failed.value)) == (1, StoreRefused)


def test_run_against_a_database_without_our_schema_says_migrate(source: Connections) -> None:
    with pytest.raises(SchemaMismatch, match="remanence migrate"):
        source.run(lambda conn: conn.execute("select from remanence.of_tomorrow"))


def test_connection_left_in_a_transaction_is_handed_on_clean(source: Connections) -> None:
    def leave_open(conn: Connection) -> None:
        conn.execute("begin")
        conn.execute("select 1")

    source.run(leave_open)

    assert source.run(lambda conn: conn.info.transaction_status.name) == "IDLE"


def test_connection_after_an_error_in_a_pipeline_serves_on(source: Connections) -> None:
    def broken(conn: Connection) -> None:
        with conn.pipeline():
            conn.execute("select 1")
            conn.execute("select 1 / 0")
            conn.execute("select 2")

    with pytest.raises(StoreError):
        source.run(broken)

    assert source.run(lambda conn: conn.execute("select 3").fetchone()) == (3,)


def test_close_and_use_again_reconnects(source: Connections) -> None:
    before = source.run(backend_pid)
    source.close()

    assert source.run(backend_pid) != before


def test_connections_with_a_bad_uri_say_why(make: Callable[[str], Connections]) -> None:
    source = make(f"postgresql://me:{HIDDEN}@127.0.0.1:1/app")

    with pytest.raises(StoreUnavailable, match="Connection refused"):
        source.run(backend_pid)

    source.close()


def test_pool_that_is_used_up_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remanence.db.connect.POOL_WAIT_S", 0.2)
    source = PooledConnections(database.app_uri, size=1)

    with (
        source.connection(),
        pytest.raises(StoreUnavailable, match="all 1 database connections"),
        source.connection(),
    ):
        pass

    source.close()


def test_pool_whose_server_was_away_does_not_call_itself_busy(
    databases: Databases, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remanence.db.connect.POOL_WAIT_S", 0.6)
    program = pgbouncer_program()
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    port = free_port()
    source = PooledConnections(with_parts(database.app_uri, port=str(port)), size=1)

    with ThreadPoolExecutor() as threads:
        asked = threads.submit(source.run, lambda conn: conn.execute("select 1").fetchone())
        with Bouncer.started(program, databases.pg, port=port):
            failure = asked.exception()
            source.close()

    assert isinstance(failure, StoreUnavailable)
    assert "busy" not in failure.message
    assert "127.0.0.1" in failure.message


def test_pool_serves_threads_side_by_side(database: Database) -> None:
    source = PooledConnections(database.app_uri, size=2)
    together = threading.Barrier(2, timeout=10)
    pids: list[int] = []

    def work() -> None:
        with source.connection() as conn:
            together.wait()
            pids.append(backend_pid(conn))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.close()

    assert len(set(pids)) == 2


def test_one_connection_makes_threads_take_turns(database: Database) -> None:
    source = OneConnection(database.app_uri)
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        with source.connection() as conn:
            inside += 1
            most = max(most, inside)
            conn.execute("select pg_sleep(0.02)")
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.close()

    assert most == 1


def test_connections_work_through_a_transaction_pooler(
    make: Callable[[str], Connections], bouncer: Bouncer, database: Database
) -> None:
    source = make(bouncer.uri(database.app_uri))

    def work(conn: Connection) -> object:
        with conn.pipeline():
            conn.execute("select set_config('remanence.org_id', 'org-1', true)")
            found = conn.execute("select current_setting('remanence.org_id')")
        return found.fetchone()

    assert [source.run(work) for _ in range(12)] == [("org-1",)] * 12
    left = source.run(lambda conn: conn.execute("select remanence.current_org()").fetchone())
    source.close()
    assert left == (None,)
