"""`remanence dev` and `remanence serve` as processes: start, answer, end in order."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from support.process import REMANENCE, Server, free_port, launched, run_cli, serving

from remanence.local.locks import is_locked
from remanence.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.bouncer import Bouncer
    from support.pg import Database


def database_runs(home: Path) -> bool:
    return is_locked(home / "postgres" / "server.lock")


def test_dev_answers_and_a_signal_ends_it_in_order(new_home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving("dev", log, REMANENCE_HOME=new_home) as server:
        assert database_runs(new_home)

        assert server.stop(signal.SIGTERM) == 0

    assert not database_runs(new_home)
    text = log.read_text()
    assert f"serving on {server.url}" in text
    assert "demo/" in text
    ours = REMANENCE.relative_to(Path.cwd()) if REMANENCE.is_relative_to(Path.cwd()) else REMANENCE
    assert f"  {ours} chat --url {server.url}\n" in text
    assert text.endswith("Stopped.\n")
    assert "Traceback" not in text


def test_dev_is_ended_by_ctrl_c_and_starts_again_with_its_data(home: Path, tmp_path: Path) -> None:
    with serving("dev", tmp_path / "log", REMANENCE_HOME=home) as server:
        agent = server.post("/v1/agents/", {"name": "mira"})
        assert server.stop(signal.SIGINT) == 0

    with serving("dev", tmp_path / "again", REMANENCE_HOME=home) as server:
        assert "Applied" not in (tmp_path / "again").read_text()
        assert server.get(f"/v1/agents/{agent['id']}")["name"] == "mira"


def test_commands_find_the_database_of_a_dev_that_serves(home: Path, tmp_path: Path) -> None:
    with serving("dev", tmp_path / "log", REMANENCE_HOME=home) as server:
        agent = server.post("/v1/agents/", {"name": "mira"})
        hello = {"messages": [{"role": "user", "content": "Hello."}]}
        said = server.post(f"/v1/agents/{agent['id']}/messages", hello)
        made = run_cli("record", said["messages"][0]["run_id"], REMANENCE_HOME=home)

    assert made.returncode == 0, made.stderr
    assert "remanence_cassette" in made.stdout


def test_commands_without_a_database_say_where_one_could_be_named(tmp_path: Path) -> None:
    done = run_cli("record", "run-1", REMANENCE_HOME=tmp_path / "none")

    assert done.returncode == 1
    assert "give --uri, or set REMANENCE_PG_URI, or start `dev`" in done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("in_a_hurry", [False, True])
def test_dev_ends_although_a_request_waits_for_a_model(
    home: Path, tmp_path: Path, *, in_a_hurry: bool
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent_model,
        serving(
            "dev",
            tmp_path / "log",
            REMANENCE_HOME=home,
            OPENAI_API_KEY="none",
            OPENAI_BASE_URL=f"http://127.0.0.1:{silent_model.getsockname()[1]}/v1",
        ) as server,
    ):
        agent = server.post("/v1/agents/", {"model": "openai/gpt-4.1-mini"})
        message = {"messages": [{"role": "user", "content": "Are you there?"}]}
        path = f"/v1/agents/{agent['id']}/messages"
        waiting = threading.Thread(target=ask_in_vain, args=(server, path, message))
        waiting.start()
        silent_model.settimeout(20)
        call, _ = silent_model.accept()  # the model was called, and will never answer

        started = time.monotonic()
        if in_a_hurry:
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        assert server.stop(signal.SIGINT) == 0

        assert time.monotonic() - started < (8 if in_a_hurry else 30)
        waiting.join()
        call.close()
    assert not database_runs(home)


def ask_in_vain(server: Server, path: str, message: object) -> None:
    with suppress(OSError, http.client.HTTPException, AssertionError):
        server.post(path, message)


def test_dev_a_second_time_says_that_it_runs(home: Path, tmp_path: Path) -> None:
    with serving("dev", tmp_path / "log", REMANENCE_HOME=home) as server:
        second = run_cli("dev", REMANENCE_HOME=home, PORT=server.port)

        assert second.returncode == 0
        assert f"already running on {server.url}" in second.stdout
        assert f"remanence chat --url {server.url}`" in second.stdout
        server.get("/v1/health/")


def test_dev_on_another_port_shares_the_database(home: Path, tmp_path: Path) -> None:
    with (
        serving("dev", tmp_path / "one", REMANENCE_HOME=home) as first,
        serving("dev", tmp_path / "two", REMANENCE_HOME=home) as second,
    ):
        assert first.stop() == 0
        assert database_runs(home)
        second.get("/v1/health/")

    assert not database_runs(home)


def test_dev_on_a_port_of_another_program_says_so(new_home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        done = run_cli("dev", REMANENCE_HOME=new_home, PORT=port)

    assert done.returncode == 1
    assert f"port {port} is taken by another program" in done.stderr
    assert not (new_home / "postgres").exists()


def test_dev_that_was_killed_leaves_nothing_that_needs_a_hand(home: Path, tmp_path: Path) -> None:
    port = free_port()
    with serving("dev", tmp_path / "log", REMANENCE_HOME=home, PORT=port) as server:
        server.stop(signal.SIGKILL)
        assert database_runs(home)

    with serving("dev", tmp_path / "again", REMANENCE_HOME=home, PORT=port) as server:
        assert server.stop() == 0

    assert not database_runs(home)


def test_dev_starts_a_killed_database_again(home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving("dev", log, REMANENCE_HOME=home) as server:
        pid_file = home / "postgres/data/postmaster.pid"
        before = pid_file.read_text()
        os.kill(int(before.split("\n")[0]), signal.SIGKILL)

        deadline = time.monotonic() + 20
        while not pid_file.exists() or pid_file.read_text() == before:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        server.get("/v1/health/")


def test_dev_goes_on_trying_to_start_a_database_that_cannot_start(
    home: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving("dev", log, REMANENCE_HOME=home) as server:
        data = home / "postgres/data"
        pid_file = data / "postmaster.pid"
        needed = data / "global/pg_control"
        away = needed.rename(data / "pg_control.away")
        os.kill(int(pid_file.read_text().split("\n")[0]), signal.SIGKILL)
        wait_for(lambda: "trying again" in log.read_text(), log)
        with pytest.raises(AssertionError, match="503"):
            server.get("/v1/ready/")

        away.rename(needed)

        wait_for(lambda: answers(server, "/v1/ready/"), log)


def wait_for(holds: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def answers(server: Server, path: str) -> bool:
    with suppress(AssertionError):
        return bool(server.get(path))
    return False


def test_dev_with_the_data_of_another_version_says_what_can_be_done(
    home: Path, tmp_path: Path
) -> None:
    with serving("dev", tmp_path / "log", REMANENCE_HOME=home):
        with psycopg.connect(EmbeddedPostgres(home).owner_uri) as conn:
            conn.execute("update remanence.schema_migrations set sha256 = '' where version = 1")

        second = run_cli("dev", REMANENCE_HOME=home, PORT=free_port())

    assert second.returncode == 1
    assert f"mv {home / 'postgres'} " in second.stderr
    assert "Traceback" not in second.stderr


def test_dev_uses_a_given_database(
    new_home: Path, empty_database: Database, tmp_path: Path
) -> None:
    uri = empty_database.owner_uri
    with serving("dev", tmp_path / "log", REMANENCE_HOME=new_home, REMANENCE_PG_URI=uri):
        assert not (new_home / "postgres").exists()

    with psycopg.connect(empty_database.owner_uri) as conn:
        assert conn.execute("select count(*) > 0 from remanence.schema_migrations").fetchone()


def test_serve_migrates_and_several_may_start_at_once(
    empty_database: Database, tmp_path: Path
) -> None:
    uri = empty_database.owner_uri
    with ExitStack() as stack:
        servers = [
            stack.enter_context(launched("serve", tmp_path / name, REMANENCE_PG_URI=uri))
            for name in ("one", "two", "three")
        ]
        for server in servers:
            server.wait_until_it_answers()

        assert [server.stop() for server in servers] == [0, 0, 0]

    applied = "".join(server.log.read_text() for server in servers).count("0001_create_schema.sql")
    assert applied == 1


def test_serve_with_the_run_time_role_needs_no_right_to_migrate(
    fresh_database: Database, tmp_path: Path
) -> None:
    with serving("serve", tmp_path / "log", REMANENCE_PG_URI=fresh_database.app_uri) as server:
        assert server.stop() == 0


def test_serve_through_a_transaction_pooler_when_migrated(
    bouncer: Bouncer, fresh_database: Database, tmp_path: Path
) -> None:
    uri = bouncer.uri(fresh_database.app_uri)
    with serving("serve", tmp_path / "log", REMANENCE_PG_URI=uri) as server:
        assert server.stop() == 0


def test_serve_where_it_may_not_listen_says_so(fresh_database: Database) -> None:
    done = run_cli("serve", REMANENCE_PG_URI=fresh_database.app_uri, HOST="192.0.2.1", PORT=0)

    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1" in done.stderr
