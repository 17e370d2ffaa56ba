"""A receiver of callbacks on a loopback port: keeps what it gets, answers as it is told."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    data: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.data)
        return found


@dataclass(slots=True)
class Receiver:
    """`answers` are the statuses of the next answers; then 200. `pause_s` precedes each byte."""

    url: str
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    pause_s: float = 0.0


@contextmanager
def receiving() -> Generator[Receiver]:
    """A receiver that runs."""
    receiver = Receiver(url="")
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.command, self.path, headers, data))
            status = receiver.answers.pop(0) if receiver.answers else 200
            location = "Location: /elsewhere\r\n" if 300 <= status < 400 else ""
            text = f"HTTP/1.1 {status} x\r\n{location}Content-Length: 0\r\n\r\n"
            for char in text if receiver.pause_s else [text]:
                left.wait(receiver.pause_s)
                self.wfile.write(char.encode())

        do_POST = do_PUT = answer  # noqa: N815  the names the base class looks for

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  a caller that hangs up
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/told?by=agent"
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        left.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
