"""The command line as a user meets it: a process, its output and its exit code."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

REMANENCE = Path(sys.executable).parent / "remanence"
_START_S = 60.0


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def silent_listener() -> Generator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def clean_env(**variables: object) -> dict[str, str]:
    """Our environment without anything that would configure the server, plus `variables`."""
    ours = ("REMANENCE_", "LETTA_", "OPENAI_", "ANTHROPIC_", "OLLAMA_", "PG", "PORT", "HOST")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "PG_BIN" or not name.startswith(ours)
    }
    return kept | {name: str(value) for name, value in variables.items()}


def run_cli(*arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [REMANENCE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=clean_env(**variables),
    )


@dataclass
class Server:
    """A running `remanence dev` or `serve`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        """The JSON of a GET."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: object) -> Any:
        """The JSON of a POST."""
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, (answer.status, content)
            return json.loads(content)
        finally:
            connection.close()

    def wait_until_it_answers(self) -> None:
        """Return when /v1/health/ is served; fail with the server's output when it ends first."""
        deadline = time.monotonic() + _START_S
        while True:
            try:
                self.get("/v1/health/")
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(self.log.read_text()) from None
                time.sleep(0.05)
            else:
                return

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end; the exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout=30)


@contextmanager
def launched(command: str, log: Path, **variables: object) -> Generator[Server]:
    """Run a server on a free port (or PORT) until the block ends; it may not answer yet."""
    port = int(str(variables.setdefault("PORT", free_port())))
    with log.open("ab") as output:
        process = subprocess.Popen(
            [REMANENCE, command], stdout=output, stderr=output, env=clean_env(**variables)
        )
    server = Server(process, port, log)
    try:
        yield server
    finally:
        if process.poll() is None:
            server.stop()


@contextmanager
def serving(command: str, log: Path, **variables: object) -> Generator[Server]:
    """As `launched`, and the server answers when the block begins."""
    with launched(command, log, **variables) as server:
        server.wait_until_it_answers()
        yield server
