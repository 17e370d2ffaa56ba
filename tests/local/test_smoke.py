"""`remanence smoke` against a real server, and against what may stand before one."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psycopg
import pytest
from support.process import Server, run_cli, serving

from remanence.local.smoke import LEAST_TELLING_S, SmokeFailed, judge_stream

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.pg import Database

KEY = "op3n-s3same"


@pytest.fixture(scope="module")
def server(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    log = tmp_path_factory.mktemp("smoke") / "server.log"
    variables = {"REMANENCE_PG_URI": database.app_uri, "REMANENCE_API_KEY": KEY}
    with serving("serve", log, **variables) as started:
        yield started


def rows(output: str) -> dict[str, str]:
    """The mark of each check, by its name."""
    return {line[6:18].strip(): line[:6].strip() for line in output.splitlines()[:-1]}


def test_deployment_that_works_passes_and_is_left_as_it_was(
    server: Server, database: Database, tmp_path: Path
) -> None:
    restarted = tmp_path / "restarted"

    done = run_cli("smoke", server.url, "--restart", f"touch {restarted}", REMANENCE_API_KEY=KEY)

    assert done.returncode == 0, done.stdout + done.stderr
    checks = ("health", "agent", "message", "stream", "background", "memory", "clean-up")
    assert rows(done.stdout) == dict.fromkeys(checks, "ok") | {"dead bells": "-"}
    assert restarted.exists()
    assert KEY not in done.stdout + done.stderr
    with psycopg.connect(database.admin_uri) as conn:
        query = "select count(*) from remanence.agents where name like 'smoke-%'"
        assert conn.execute(query).fetchone() == (0,)


def test_restart_that_did_not_happen_is_no_restart(server: Server) -> None:
    command = "echo first >&2; echo no such service >&2; exit 3"

    done = run_cli("smoke", server.url, "--restart", command, REMANENCE_API_KEY=KEY)

    assert done.returncode == 1
    assert "the command of --restart ended with 3: no such service" in done.stdout
    assert rows(done.stdout)["memory"] == "FAIL"
    assert rows(done.stdout)["clean-up"] == "ok"


def test_stream_that_something_holds_back_fails(server: Server) -> None:
    with lumping_proxy(server.port) as url:
        done = run_cli("smoke", url, REMANENCE_API_KEY=KEY)

    assert done.returncode == 1
    assert rows(done.stdout)["stream"] == "FAIL"
    assert "in one lump" in done.stdout
    assert rows(done.stdout)["clean-up"] == "ok"


def test_fragments_that_come_as_they_are_made_pass() -> None:
    assert "2 fragments" in judge_stream([1.0, 3.5], 4.0)
    assert "too quick" in judge_stream([0.10, 0.11], 0.2)


@pytest.mark.parametrize("arrivals", [[], [3.99, 4.0]])
def test_fragments_that_come_at_once_fail(arrivals: list[float]) -> None:
    with pytest.raises(SmokeFailed):
        judge_stream(arrivals, 4.0)


def test_wrong_key_is_said_and_nothing_else_is_tried(server: Server) -> None:
    done = run_cli("smoke", server.url, REMANENCE_API_KEY="wrong")

    assert done.returncode == 1
    assert rows(done.stdout) == {"health": "ok", "agent": "FAIL"}
    assert "Unauthorized" in done.stdout


def test_nobody_there_is_said() -> None:
    done = run_cli("smoke", "http://127.0.0.1:9")

    assert done.returncode == 1
    assert "refused" in done.stdout
    assert "Traceback" not in done.stderr


@contextmanager
def lumping_proxy(port: int) -> Generator[str]:
    """The URL of a proxy that passes an answer on once it is whole."""

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            if self.path.endswith("/stream"):  # as if the model had taken its time
                time.sleep(LEAST_TELLING_S)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"] or "")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            connection.close()

        do_GET = do_POST = do_DELETE = _pass_on  # noqa: N815  names of the base class

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
