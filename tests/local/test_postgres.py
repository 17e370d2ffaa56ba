"""The embedded Postgres: shared by processes, and never in need of a hand."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest

from remanence.errors import StoreUnavailable
from remanence.local.locks import is_locked
from remanence.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# A process that starts the server, says so, and then does what its argument says.
USER = """
import signal, sys, time
from pathlib import Path
from remanence.local.postgres import EmbeddedPostgres
pg = EmbeddedPostgres(Path(sys.argv[1]), "test")
pg.start()
print(pg.admin_uri, flush=True)
sys.stdin.readline()
pg.stop()
"""


@pytest.fixture
def start(home: Path) -> Generator[Callable[[], subprocess.Popen[str]]]:
    """Starts further processes that use the same home; each has answered when it returns."""
    processes: list[subprocess.Popen[str]] = []

    def run() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout
        assert process.stdout.readline().startswith("postgresql://")
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate("leave\n", timeout=30)
    assert process.returncode == 0


def server_pid(home: Path) -> int:
    return int((home / "postgres/data/postmaster.pid").read_text().split("\n")[0])


def is_running(home: Path) -> bool:
    return is_locked(home / "postgres/server.lock")


def execute(uri: str, *statements: str) -> object:
    """Run statements; what the last one returns."""
    with psycopg.connect(uri, autocommit=True) as conn:
        cursors = [conn.execute(statement.encode()) for statement in statements]
        row = cursors[-1].fetchone() if cursors[-1].description else None
    return row[0] if row else None


def test_start_gives_a_database_like_a_hosted_one(new_home: Path) -> None:
    pg = EmbeddedPostgres(new_home, "test")
    pg.start()

    rights = "select rolsuper or rolbypassrls or rolcreatedb from pg_roles where rolname = user"
    assert execute(pg.owner_uri, rights) is False
    assert execute(pg.app_uri, rights) is False
    schema = "select extnamespace::regnamespace::text from pg_extension where extname = 'vector'"
    assert execute(pg.owner_uri, schema) == "extensions"
    assert execute(pg.owner_uri, "select current_setting('server_encoding')") == "UTF8"
    assert execute(pg.owner_uri, "select lower('ÄÖ') = 'äö'") is True
    pg.stop()
    assert not is_running(new_home)


def test_data_survives_a_restart_on_the_same_port(home: Path) -> None:
    pg = EmbeddedPostgres(home, "test")
    pg.start()
    uri = pg.owner_uri
    execute(uri, "create schema mine", "create table mine.note as select 'kept' as text")
    pg.stop()

    again = EmbeddedPostgres(home, "test")
    again.start()

    assert again.owner_uri == uri
    assert execute(uri, "select text from mine.note") == "kept"
    again.stop()


def test_server_listens_on_loopback_with_a_password_only(new_home: Path) -> None:
    pg = EmbeddedPostgres(new_home, "test")
    pg.start()

    assert execute(pg.admin_uri, "select current_setting('listen_addresses')") == "127.0.0.1"
    assert execute(pg.admin_uri, "select current_setting('unix_socket_directories')") == ""
    methods = "select string_agg(distinct auth_method, ',') from pg_hba_file_rules"
    assert execute(pg.admin_uri, methods) == "scram-sha-256"
    for path in (new_home / "postgres").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) in {0o600, 0o700}, path
    pg.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights")
def test_server_of_root_runs_unprivileged_and_opens_no_directory(new_home: Path) -> None:
    pg = EmbeddedPostgres(new_home, "test")
    pg.start()

    status = Path(f"/proc/{server_pid(new_home)}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid")).split()[1:]
    assert "0" not in uids
    assert stat.S_IMODE(new_home.parent.parent.stat().st_mode) == 0o700
    pg.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_plain_user_runs_a_server_of_its_own() -> None:
    source = Path(__file__).parents[2] / "layers" / "core"
    site = Path(psycopg.__file__).parents[1]
    python = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from remanence.local.postgres import EmbeddedPostgres\n"
        "pg = EmbeddedPostgres(Path(sys.argv[1]), 'test')\n"
        "pg.start(); pg.stop(); print('fine')"
    )

    def run_as_nobody(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin"},
        )

    if run_as_nobody("test", "-x", python, "-a", "-r", source, "-a", "-r", site).returncode:
        pytest.skip("other users may not read this checkout, or there is no Python for them")
    place = Path(tempfile.mkdtemp(prefix="remanence-plain-"))
    os.chown(place, 65534, 65534)

    done = run_as_nobody(python, "-c", code, place, source, site)

    subprocess.run(["rm", "-rf", place], check=True)
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_second_start_joins_the_running_server(
    home: Path, start: Callable[[], subprocess.Popen[str]]
) -> None:
    start()
    pid = server_pid(home)

    pg = EmbeddedPostgres(home, "test")
    pg.start()

    assert server_pid(home) == pid
    pg.stop()
    assert is_running(home)


def test_last_one_to_leave_stops_the_server_whoever_started_it(
    home: Path, start: Callable[[], subprocess.Popen[str]]
) -> None:
    first, second = start(), start()

    leave(first)
    assert is_running(home)
    leave(second)
    assert not is_running(home)


def test_start_and_stop_twice_do_no_harm(home: Path) -> None:
    pg = EmbeddedPostgres(home, "test")
    pg.start()
    pg.start()
    pg.stop()
    pg.stop()

    assert not is_running(home)


def test_many_first_starts_at_once_make_one_server(new_home: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(new_home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]

    uris = {process.stdout.readline() for process in processes if process.stdout}

    assert len(uris) == 1
    for process in processes:
        leave(process)
    assert not is_running(new_home)


def test_killed_owner_leaves_a_server_that_the_next_start_adopts(
    home: Path, start: Callable[[], subprocess.Popen[str]]
) -> None:
    owner = start()
    pid = server_pid(home)
    owner.kill()
    owner.wait()

    pg = EmbeddedPostgres(home, "test")
    pg.start()

    assert server_pid(home) == pid
    pg.stop()
    assert not is_running(home)


def test_killed_server_is_started_again_with_what_was_committed(home: Path) -> None:
    pg = EmbeddedPostgres(home)
    pg.start()
    uri = pg.owner_uri
    execute(uri, "create schema mine", "create table mine.note as select 'kept' as text")
    os.kill(server_pid(home), signal.SIGKILL)

    pg.start()

    assert pg.owner_uri == uri
    assert execute(uri, "select text from mine.note") == "kept"
    pg.stop()


def test_killed_owner_and_server_leave_nothing_that_needs_a_hand(
    home: Path, start: Callable[[], subprocess.Popen[str]]
) -> None:
    owner = start()
    owner.kill()
    os.kill(server_pid(home), signal.SIGKILL)

    pg = EmbeddedPostgres(home, "test")
    pg.start()

    assert execute(pg.owner_uri, "select 1") == 1
    pg.stop()


def test_stale_pid_file_with_a_living_stranger_is_no_obstacle(home: Path) -> None:
    pg = EmbeddedPostgres(home, "test")
    pg.start()
    pid_file = home / "postgres/data/postmaster.pid"
    content = pid_file.read_text()
    owner = pid_file.stat()
    pg.stop()
    # The stranger runs as the server's own user: Postgres alone would refuse to start.
    stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid if os.geteuid() == 0 else None)
    pid_file.write_text(content.replace(content.split("\n")[0], str(stranger.pid), 1))
    os.chown(pid_file, owner.st_uid, owner.st_gid)

    pg.start()

    assert server_pid(home) != stranger.pid
    assert stranger.poll() is None
    pg.stop()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_port_taken_meanwhile_makes_the_server_move(home: Path) -> None:
    pg = EmbeddedPostgres(home, "test")
    pg.start()
    before = urlsplit(pg.admin_uri).port
    assert before
    pg.stop()
    with socket.create_server(("127.0.0.1", before)):
        pg.start()

        assert execute(pg.owner_uri, "select 1") == 1
        assert urlsplit(pg.admin_uri).port != before
        pg.stop()


def test_interrupted_first_start_is_begun_again(new_home: Path) -> None:
    draft = new_home / "postgres" / "data.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("16")

    pg = EmbeddedPostgres(new_home, "test")
    pg.start()

    assert execute(pg.owner_uri, "select 1") == 1
    pg.stop()


def test_stop_is_done_while_sessions_are_open(home: Path) -> None:
    pg = EmbeddedPostgres(home, "test")
    pg.start()
    session = psycopg.connect(pg.owner_uri)
    session.execute("select 1")

    started = time.monotonic()
    pg.stop()

    assert time.monotonic() - started < 5
    assert not is_running(home)
    session.close()


def test_stop_after_the_files_were_deleted_ends_the_server(home: Path) -> None:
    pg = EmbeddedPostgres(home, "test")
    pg.start()
    pid = server_pid(home)
    subprocess.run(["rm", "-rf", home], check=True)

    pg.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_start_with_a_home_that_is_a_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")

    with pytest.raises(StoreUnavailable, match="set REMANENCE_HOME"):
        EmbeddedPostgres(tmp_path / "home", "test").start()


def test_start_with_wrong_binaries_names_the_variable(new_home: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"PG_BIN is .* has no postgres"):
        EmbeddedPostgres(new_home, "test", pg_bin=str(tmp_path)).start()


def test_start_of_damaged_data_ends_with_the_server_s_own_words(home: Path) -> None:
    pg = EmbeddedPostgres(home, "test")
    pg.start()
    pg.stop()
    (home / "postgres/data/postgresql.conf").write_text("shared_buffers = banana\n")

    with pytest.raises(StoreUnavailable, match=r"did not start; its log ends with:[^$]*banana"):
        pg.start()

    assert not is_running(home)
