"""Lambda's Runtime API with a snapshot in it, which AWS's emulator has not.

The real awslambdaric asks `restore/next` when a start is made for a snapshot, and waits there for
as long as the snapshot lies. After that it is served one event after the other.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from support.lambda_emulator import process

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.bundle import Bundle

API = "/2018-06-01/runtime"
WAIT_S = 40.0


@dataclass
class SnapshotRuntime:
    """One start: a snapshot that is restored when the test says so."""

    snapshot_is_taken: threading.Event = field(default_factory=threading.Event)
    is_restored: threading.Event = field(default_factory=threading.Event)
    events: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    answers: queue.Queue[Any] = field(default_factory=queue.Queue)

    def wait_for_snapshot(self) -> None:
        """Until the start has come to where the snapshot is taken."""
        assert self.snapshot_is_taken.wait(WAIT_S), "it never came to its snapshot"

    def restore(self) -> None:
        """Go on, as an environment that is made of the snapshot does."""
        self.is_restored.set()

    def invoke(self, event: dict[str, Any]) -> Any:
        """The handler's answer."""
        self.events.put(event)
        return self.answers.get(timeout=WAIT_S)


@contextmanager
def snapshot_of(
    bundle: Bundle, function: str, environment: dict[str, str], log: Path
) -> Generator[SnapshotRuntime]:
    """Start a function of the bundle for a snapshot, until the block ends."""
    runtime = SnapshotRuntime()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(runtime))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    variables = bundle.environment(function) | environment
    variables["PYTHONPATH"] += f":{bundle.runtime}"
    variables["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{server.server_port}"
    command = [str(bundle.python), "-m", "awslambdaric", "app.handler"]
    try:
        with process(command, variables, bundle.code(function), log):
            yield runtime
    finally:
        runtime.restore()
        server.shutdown()
        server.server_close()


def _handler_for(runtime: SnapshotRuntime) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == f"{API}/restore/next":
                runtime.snapshot_is_taken.set()
                runtime.is_restored.wait()
                self._send(200, {})
            else:
                assert self.path == f"{API}/invocation/next"
                self._send(200, runtime.events.get())

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            runtime.answers.put(json.loads(self.rfile.read(length) or b"null"))
            self._send(202, {})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Lambda-Runtime-Aws-Request-Id", "request-1")
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:r:1:function:f")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
