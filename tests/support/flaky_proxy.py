"""An HTTP proxy on a loopback port that fails as it is told, before a request arrives or after.

The second is the nasty one: the server has done it, and the client hears of a failure.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

import httpx

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

CUT = 0  # in the place of a status: the connection ends without an answer


@dataclass(frozen=True, slots=True)
class Failure:
    """The status of an answer, or CUT, in the place of the server's."""

    status: int
    when: Literal["before", "after"] = "before"


@dataclass(slots=True)
class FlakyProxy:
    """Fails each of `failures` in turn, then passes everything on; `seen` are the requests."""

    base_url: str = ""
    failures: list[Failure] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)


@contextmanager
def flaky(target: str) -> Generator[FlakyProxy]:
    """A proxy before the server at `target`."""
    proxy = FlakyProxy()
    handler = type("Handler", (_Handler,), {"target": target, "proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    proxy.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    target: str
    proxy: FlakyProxy

    def pass_on(self) -> None:
        self.proxy.seen.append(f"{self.command} {self.path.partition('?')[0]}")
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        failure = self.proxy.failures.pop(0) if self.proxy.failures else None
        if failure is None or failure.when == "after":
            headers = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
            url = f"{self.target}{self.path}"
            with httpx.stream(
                self.command, url, headers=headers, content=body, timeout=60
            ) as answer:
                for data in self._begun(answer, failure):
                    self.wfile.write(data)
        if failure is not None and failure.status != CUT:
            self.send_response(failure.status)
            self.send_header("retry-after-ms", "10")
            self.end_headers()

    def _begun(self, answer: httpx.Response, failure: Failure | None) -> Iterator[bytes]:
        """What is passed back of an answer: nothing when it is to be lost."""
        if failure is not None:
            answer.read()
            return
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in {"transfer-encoding", "content-length", "connection"}:
                self.send_header(name, value)
        self.end_headers()
        yield from answer.iter_raw()

    do_GET = do_POST = do_PATCH = do_DELETE = pass_on  # noqa: N815  names of the base class

    def log_message(self, *args: object) -> None:
        pass
