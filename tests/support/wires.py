"""Loopback servers that speak the wires to models, strictly.

A server checks every request as the provider would (the modules wire_*.py), refuses
what is wrong, and otherwise gives the next of the answers it was told, streamed or not, or fails
in the way it was told.

    with OpenAIServer() as server:
        server.answers += [a_reply("hello"), Failure("429", retry_after="2")]
"""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from support import wire_anthropic, wire_bedrock, wire_openai, wire_responses

from remanence.core.exchange import Reply, Text, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType


@dataclass(frozen=True)
class Failure:
    """A way to fail.

    `kind`: a status (as wire_*.ERRORS names them), or too_long, quota; malformed (not JSON),
    cut (half an answer), stream_error (half an answer, then an error event), hang (no answer),
    stall (half an answer, then silence), drip (signs of life, and no answer), drop (hangs up).
    `quotes_key`: the error's words repeat the caller's key, as some servers do.
    """

    kind: str
    retry_after: str | None = None
    quotes_key: bool = False


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


def a_reply(*parts: Any, finish: str = "stop", usage: Usage | None = None) -> Reply:
    """A reply of these parts; a string is a Text."""
    made = tuple(Text(text=p) if isinstance(p, str) else p for p in parts)
    return Reply(
        parts=made, finish=finish, usage=usage or Usage(prompt_tokens=9, completion_tokens=3)
    )


class WireServer:
    """A server on a loopback port; `wire` is the module of its wire."""

    wire: ModuleType

    def __init__(self) -> None:
        self.answers: deque[Reply | Failure] = deque()
        self.received: list[Received] = []
        self.problems: list[str] = []
        # What GET returns by path; a missing path is 404.
        self.pages: dict[str, Any] = {}
        self.includes_usage = True
        # Called before each event of a stream, with its place.
        self.pace: Callable[[int], None] = lambda _place: None
        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def refuse(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The error for a body that is well formed and still refused; None for most servers."""
        return None

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        """Whether a request asks for a stream."""
        return bool(body.get("stream"))

    @property
    def root_url(self) -> str:
        """The server's address, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of the POST requests so far."""
        return [r.body for r in self.received if r.method == "POST"]


class OpenAIServer(WireServer):
    """Chat completions, embeddings and models."""

    wire = wire_openai

    @property
    def base_url(self) -> str:
        """What a client takes as base URL."""
        return self.root_url + "/v1"


class ResponsesServer(OpenAIServer):
    """OpenAI's Responses API."""

    wire = wire_responses


class AnthropicServer(WireServer):
    """Messages and models."""

    wire = wire_anthropic

    @property
    def base_url(self) -> str:
        """What a client takes as base URL."""
        return self.root_url


class BedrockServer(WireServer):
    """Converse, embeddings and the lists of models."""

    wire = wire_bedrock

    def streams(self, path: str, body: dict[str, Any]) -> bool:
        """The path says it."""
        return path.endswith("/converse-stream")

    @property
    def base_url(self) -> str:
        """What a client takes as endpoint."""
        return self.root_url


def _handler(server: WireServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        owner = server

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: WireServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
        """Nothing is printed."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.owner.received.append(Received("GET", self.path, dict(self.headers), {}))
        page = self.owner.pages.get(path)
        if isinstance(page, Failure):
            self._fail(page, {})
        elif page is None:
            self._json(404, self.owner.wire.error_body("404", "no such page"))
        else:
            self._json(200, page)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw)
        self.owner.received.append(Received("POST", self.path, headers, body))
        problems = self.owner.wire.problems_in(self.path, headers, body)
        if problems:
            self.owner.problems += problems
            self._json(400, self.owner.wire.error_body("400", "; ".join(problems)))
            return
        refusal = self.owner.refuse(body)
        if refusal is not None:
            self._json(400, {"error": refusal})
            return
        answer = self.owner.answers.popleft() if self.owner.answers else a_reply("ok")
        if isinstance(answer, Failure):
            self._fail(answer, body)
        elif self._streams(body):
            self._stream(list(self.owner.wire.events(answer, body, self.owner.includes_usage)))
        else:
            self._json(200, self.owner.wire.whole(answer, body, self.path))

    def _fail(self, failure: Failure, body: dict[str, Any]) -> None:
        kind, wire = failure.kind, self.owner.wire
        half = list(wire.events(a_reply("one two three four five six"), body, True))
        half = half[: len(half) // 2]
        match kind:
            case "hang":
                self.owner.stopping.wait(30)
                self.close_connection = True
            case "drop":
                self.close_connection = True
            case "malformed" if self._streams(body):
                self._stream([*half, "data: {this is not JSON\n\n"], complete=False)
            case "malformed":
                self._raw(200, b'{"choices": [ this is not JSON')
            case "cut" if not self._streams(body):
                self._raw(200, b'{"id"', claimed=100)
            case "cut":
                self._stream(half, complete=False)
            case "stall":
                self._stream(half, complete=None)
            case "drip":
                self._drip()
            case "stream_error":
                self._stream([*half, wire.error_event()])
            case _:
                words = self._quoted_key() if failure.quotes_key else ""
                extra = {"retry-after": failure.retry_after} if failure.retry_after else {}
                self._json(wire.status_of(kind), wire.error_body(kind, words), extra)

    def _streams(self, body: dict[str, Any]) -> bool:
        return self.owner.streams(self.path, body)

    def _quoted_key(self) -> str:
        key = self.headers.get("authorization") or self.headers.get("x-api-key") or ""
        return f"bad key {key.removeprefix('Bearer ')}"

    def _json(self, status: int, body: Any, extra: Mapping[str, str] | None = None) -> None:
        self._raw(status, json.dumps(body).encode(), extra=extra)

    def _raw(
        self,
        status: int,
        data: bytes,
        *,
        claimed: int | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(claimed or len(data)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        if claimed:
            self.close_connection = True

    def _begin_stream(self) -> None:
        self.send_response(200)
        kind = getattr(self.owner.wire, "STREAM_TYPE", "text/event-stream; charset=utf-8")
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _chunk(self, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _stream(self, events: list[str | bytes], *, complete: bool | None = True) -> None:
        """`complete`: True ends well, False hangs up, None stays open and silent."""
        self._begin_stream()
        for place, event in enumerate(events):
            self.owner.pace(place)
            self._chunk(event)
        if complete:
            self.wfile.write(b"0\r\n\r\n")
            return
        if complete is None:
            self.owner.stopping.wait(30)
        self.close_connection = True

    def _drip(self) -> None:
        self._begin_stream()
        while not self.owner.stopping.wait(0.02):
            self._chunk(getattr(self.owner.wire, "SIGN_OF_LIFE", ": still here\n\n"))


def words_of(text: str) -> Iterator[str]:
    """`text` in fragments of one word."""
    for index, word in enumerate(text.split(" ")):
        yield word if index == 0 else f" {word}"
