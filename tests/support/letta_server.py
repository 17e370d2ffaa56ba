"""A loopback server that speaks the part of the Letta protocol the terminal client uses.

Answers are canned; every request is kept. A message's run is what `runs` holds next.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

AGENT_ID = "agent-00000000-0000-4000-8000-000000000001"


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str | None


@dataclass
class LettaServer:
    """`agents` by id; `blocks` is core memory of all of them; `runs` the events to come.

    An event that is a dict of `{"blocks": {...}}` is not sent: core memory becomes that. One that
    is a threading.Event is waited for.
    """

    url: str = ""
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    blocks: dict[str, str] = field(default_factory=lambda: {"human": "", "persona": "I am kind."})
    limits: dict[str, int] = field(default_factory=dict)
    runs: list[list[Any]] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    archival: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    message_hits: list[dict[str, Any]] | None = None
    refuse_with: tuple[int, Any] | None = None
    asked: list[Asked] = field(default_factory=list)

    def add_agent(self, name: str, number: int = 1) -> str:
        agent_id = AGENT_ID[:-1] + str(number)
        self.agents[agent_id] = {"id": agent_id, "name": name, "model": "demo/remanence-demo"}
        return agent_id

    def sent(self, method: str, ending: str) -> list[Asked]:
        return [a for a in self.asked if a.method == method and a.path.endswith(ending)]


@contextmanager
def letta_server() -> Generator[LettaServer]:
    state = LettaServer()

    class Handler(_Handler):
        world = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: LettaServer

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self._body())

    def do_PATCH(self) -> None:
        self._answer(self._body())

    def _body(self) -> Any:
        text = self.rfile.read(int(self.headers.get("content-length") or 0))
        return json.loads(text) if text else None

    def _answer(self, body: Any) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        key = self.headers.get("authorization")
        self.world.asked.append(Asked(self.command, url.path, query, body, key))
        if self.world.refuse_with is not None:
            self._json(*self.world.refuse_with)
        elif url.path.endswith("/messages/stream"):
            self._stream(self.world.runs.pop(0) if self.world.runs else [])
        else:
            self._json(*self._resource(url.path, query, body))

    def _resource(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        world = self.world
        if path == "/v1/agents/":
            return self._agents(query, body)
        if path == "/v1/messages/search":
            hits = world.message_hits
            return (200, hits) if hits is not None else (501, {"detail": "not served"})
        agent_id, _, rest = path.removeprefix("/v1/agents/").partition("/")
        if agent_id not in world.agents:
            return 404, {"detail": f"agent {agent_id!r} does not exist"}
        answers = {
            "": world.agents[agent_id],
            "reset-messages": world.agents[agent_id],
            "core-memory/blocks": self._blocks(),
            "archival-memory/search": {"results": world.archival, "count": len(world.archival)},
            "context": world.context,
            "messages": world.messages,
        }
        if rest in answers:
            return 200, answers[rest]
        return 404, {"detail": f"no such route: {path}"}

    def _blocks(self) -> list[dict[str, Any]]:
        return [
            {
                "label": label,
                "value": value,
                "limit": self.world.limits.get(label, 2000),
                "read_only": label == "persona",
            }
            for label, value in self.world.blocks.items()
        ]

    def _agents(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if body is not None:
            agent_id = self.world.add_agent(body["name"], len(self.world.agents) + 1)
            return 200, self.world.agents[agent_id]
        found = list(self.world.agents.values())
        if "name" in query:
            found = [agent for agent in found if agent["name"] == query["name"]]
        return 200, found

    def _json(self, status: int, value: Any) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: list[Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            if isinstance(event, threading.Event):
                event.wait(20)
            elif "blocks" in event:
                self.world.blocks = event["blocks"]
            elif not self._write(event):
                return
        self.wfile.write(b"data: [DONE]\n\n")

    def _write(self, event: dict[str, Any]) -> bool:
        name = b"event: error\n" if event.get("message_type") == "error_message" else b""
        data = json.dumps(event, ensure_ascii=False).encode()
        try:
            self.wfile.write(name + b"data: " + data + b"\n\n")
            self.wfile.flush()
        except OSError:  # the client hung up
            return False
        return True

    def log_message(self, *_args: object) -> None:
        """Requests are kept, not printed."""


def ping(run_id: str = "run-1") -> dict[str, Any]:
    return {"message_type": "ping", "run_id": run_id}


def text(words: str, message_id: str = "message-1", otid: str = "00") -> dict[str, Any]:
    return {
        "message_type": "assistant_message",
        "id": message_id,
        "otid": otid,
        "content": words,
    }


def thought(words: str, message_id: str = "message-1") -> dict[str, Any]:
    return {
        "message_type": "reasoning_message",
        "id": message_id,
        "otid": "01",
        "reasoning": words,
    }


def call(name: str, arguments: Any, call_id: str = "call-1") -> list[dict[str, Any]]:
    """A tool call as a token stream sends it: its name, then its arguments in two fragments."""
    written = json.dumps(arguments, ensure_ascii=False)
    half = len(written) // 2
    parts: list[dict[str, str]] = [
        {"name": name, "tool_call_id": call_id},
        {"arguments": written[:half], "tool_call_id": call_id},
        {"arguments": written[half:], "tool_call_id": call_id},
    ]
    return [
        {"message_type": "tool_call_message", "id": "message-2", "tool_call": p, "tool_calls": p}
        for p in parts
    ]


def returned(
    name: str, value: str, status: str = "success", call_id: str = "call-1"
) -> dict[str, Any]:
    one = {"type": "tool", "tool_return": value, "status": status, "tool_call_id": call_id}
    return {
        "message_type": "tool_return_message",
        "id": "message-3",
        "name": name,
        **one,
        "tool_returns": [one],
    }


def end(reason: str = "end_turn", *, steps: int = 1) -> list[dict[str, Any]]:
    usage = {
        "message_type": "usage_statistics",
        "prompt_tokens": 1234,
        "completion_tokens": 56,
        "total_tokens": 1290,
        "step_count": steps,
        "cached_input_tokens": 1000,
    }
    return [{"message_type": "stop_reason", "stop_reason": reason}, usage]
