"""Every operation of the official SDK, found in the client itself and called with real ids."""

from __future__ import annotations

import inspect
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from letta_client import APIStatusError, BaseModel, ConflictError
from letta_client._resource import SyncAPIResource
from letta_client._streaming import Stream
from pydantic import TypeAdapter
from support.server import MODEL

from remanence.api.routes.unserved import EMPTY_LISTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from letta_client import Letta
    from support.server import Server

# What takes a request for an answer: nothing was there to be cancelled.
NOTHING_TO_CANCEL = {"agents.messages.cancel", "conversations.cancel"}
_RAW = ("with_", "_")


@dataclass(frozen=True)
class Answered:
    """What came of one operation; `reason` is why it was refused."""

    name: str
    method: str
    path: str
    outcome: str
    reason: str = ""


@dataclass
class World:
    """One of everything, made through the client that is tested."""

    client: Letta

    def __post_init__(self) -> None:
        client = self.client
        block = {"label": "human", "value": "Bob"}
        self.agent_id = client.agents.create(model=MODEL, memory_blocks=[block]).id
        said = client.agents.messages.create(self.agent_id, input="hi [[script: say yes]]")
        self.message = said.messages[0]
        self.block_id = client.blocks.create(label="notes", value="x").id
        self.archive_id = client.archives.create(name="a").id
        self.tool_id = client.tools.list(name="core_memory_append").items[0].id
        self.identity_id = self._make_identity()
        self.conversation_id = client.conversations.create(agent_id=self.agent_id).id
        spoken = list(client.conversations.messages.create(self.conversation_id, input="hello"))
        self.conversation_run_id = next(event.run_id for event in spoken if event.run_id)

    def _make_identity(self) -> str:
        """Of a resource that this version of the SDK can only attach."""
        body = {"identifier_key": "bob", "name": "Bob", "identity_type": "user"}
        made = self.client.post("/v1/identities/", body=body, cast_to=object)
        return str(made["id"])  # type: ignore[index]

    def values(self) -> dict[str, Any]:
        """What stands for a parameter of this name."""
        unknown = {name: str(uuid.uuid4()) for name in ("token", "device_id", "connection_id")}
        ids = {
            "agent_id": self.agent_id,
            "archive_id": self.archive_id,
            "block_id": self.block_id,
            "conversation_id": self.conversation_id,
            "message_id": self.message.id,
            "path_run_id": self.message.run_id,
            "run_id": self.message.run_id,
            "step_id": self.message.step_id,
            "tool_id": self.tool_id,
            "file_id": f"file-{uuid.uuid4()}",
            "folder_id": f"source-{uuid.uuid4()}",
            "identity_id": self.identity_id,
            "mcp_server_id": f"mcp_server-{uuid.uuid4()}",
            "scheduled_message_id": str(uuid.uuid4()),
        }
        return unknown | ids | _PLAIN


_SOURCE = 'def {name}() -> str:\n    """Say hi."""\n    return "hi"\n'
_PLAIN: dict[str, Any] = {
    "agent_file_json": {},
    "block_label": "human",
    "body_requires_approval": False,
    "config": {"mcp_server_type": "sse", "server_url": "http://127.0.0.1:9"},
    "file": ("x.txt", b"x"),
    "hostname": "https://example.org",
    "label": "human",
    "messages": [{"role": "user", "content": "hi"}],
    "name": "x",
    "passages": [{"text": "x"}],
    "policy": [{"type": "agent", "id": "agent-1", "access": []}],
    "query": "x",
    "schedule": {"type": "one-time", "scheduled_at": 1},
    "server_name": "x",
    "template_name": "t",
    "template_version": "t:1",
    "text": "x",
    "tool_name": "memory_insert",
    "type": "agent",
    "value": "x",
    "version": "1",
}


def _special(world: World) -> dict[str, Callable[[], dict[str, Any]]]:
    """Arguments of operations that need more, or something of their own to delete."""
    client = world.client

    def a_tool() -> str:
        return client.tools.create(source_code=a_source()).id

    def a_source() -> str:
        return _SOURCE.format(name=f"f_{uuid.uuid4().hex}")

    def a_passage() -> str:
        return str(client.agents.passages.create(world.agent_id, text="x")[0].id)

    def an_archive_passage() -> str:
        return str(client.archives.passages.create(world.archive_id, text="x").id)

    def a_conversation() -> str:
        return client.conversations.create(agent_id=world.agent_id).id

    def a_file() -> tuple[str, bytes]:
        return ("a.af", client.agents.export_file(world.agent_id).encode())

    return {
        "agents.create": lambda: {"model": MODEL},
        "agents.delete": lambda: {"agent_id": client.agents.create(model=MODEL).id},
        "agents.import_file": lambda: {"file": a_file()},
        "agents.messages.create": lambda: {"input": "hi"},
        "agents.messages.create_async": lambda: {"input": "hi"},
        "agents.messages.stream": lambda: {"input": "hi"},
        "agents.passages.delete": lambda: {"memory_id": a_passage()},
        "agents.tools.run": lambda: {"args": {"label": "human", "new_string": "x"}},
        "archives.delete": lambda: {"archive_id": client.archives.create(name="x").id},
        "archives.passages.delete": lambda: {"passage_id": an_archive_passage()},
        "blocks.delete": lambda: {"block_id": client.blocks.create(label="x", value="x").id},
        "conversations.delete": lambda: {"conversation_id": a_conversation()},
        "conversations.messages.create": lambda: {"input": "hi"},
        "conversations.messages.stream": lambda: {"run_id": world.conversation_run_id},
        "templates.create": lambda: {"agent_id": world.agent_id, "type": "agent"},
        "tools.create": lambda: {"source_code": a_source()},
        "tools.delete": lambda: {"tool_id": a_tool()},
        "tools.update": lambda: {"tool_id": a_tool(), "description": "Says hi."},
        "tools.upsert": lambda: {"source_code": a_source()},
    }


def operations(resource: Any, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every operation below a client or one of its resources, by its dotted name."""
    for name in sorted(dir(type(resource))):
        if name.startswith(_RAW) or hasattr(SyncAPIResource, name):
            continue
        kind = inspect.getattr_static(type(resource), name)
        if inspect.isfunction(kind):
            if "extra_headers" in inspect.signature(kind).parameters:
                yield f"{prefix}{name}", getattr(resource, name)
        elif isinstance(getattr(resource, name), SyncAPIResource):
            yield from operations(getattr(resource, name), f"{prefix}{name}.")


def call_all(server: Server) -> list[Answered]:
    """Call each operation once, those that delete last."""
    requests: list[httpx.Request] = []
    http = httpx.Client(event_hooks={"request": [requests.append]}, timeout=120)
    with server.client(http_client=http) as client:
        calls = dict(operations(client))
        answered: list[Answered] = []
        for name, arguments in planned(client):
            requests.clear()
            outcome, reason = _outcome(name, calls[name], arguments)
            request = requests[0]
            answered.append(
                judged(name, request.method, request.url.path, arguments, outcome, reason)
            )
    return sorted(answered, key=lambda item: item.name)


def planned(client: Letta) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation and what to call it with, made as it is asked for; a reset comes last."""
    world = World(client)
    special = _special(world)
    for name, call in sorted(operations(client), key=lambda item: item[0].endswith("reset")):
        yield name, _arguments(call, world.values(), special.get(name, dict)())


def judged(
    name: str, method: str, path: str, arguments: dict[str, Any], outcome: str, reason: str
) -> Answered:
    """One row: the path as its template, and a list of what nobody can have made as empty."""
    path = _template(path, arguments)
    if outcome == "served" and method == "GET" and path in EMPTY_LISTS:
        outcome = "empty"
    return Answered(name, method, path, outcome, reason)


def _arguments(
    call: Callable[..., Any], values: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """What is required, by name, and what is given beside it."""
    required = {
        name: values[name]
        for name, parameter in inspect.signature(call).parameters.items()
        if parameter.default is inspect.Parameter.empty and name not in given
    }
    return required | given


def _outcome(name: str, call: Callable[..., Any], arguments: dict[str, Any]) -> tuple[str, str]:
    try:
        answer = call(**arguments)
        if isinstance(answer, Stream):
            answer = list(answer)
    except ConflictError:
        if name not in NOTHING_TO_CANCEL:
            raise
        return "served", ""
    except APIStatusError as error:
        if error.status_code != 501:
            raise
        return "refused", str(error.response.json()["detail"])
    check_types(answer)
    return "served", ""


def check_types(answer: Any) -> None:
    """Whether an answer, and all in it, is what the SDK's types promise (it never looks itself)."""
    if isinstance(answer, list):
        for item in answer:
            check_types(item)
    elif hasattr(answer, "items") and isinstance(answer.items, list):
        check_types(answer.items)
    elif isinstance(answer, BaseModel):
        # The model of the tests is of a provider that the SDK's enumeration does not have.
        text = answer.to_json(indent=None, warnings=False).replace('"scripted"', '"openai"')
        TypeAdapter(type(answer)).validate_json(text)


def _template(path: str, arguments: dict[str, Any]) -> str:
    """The path with its parameters' names in place of their values."""
    segments = path.split("/")
    for name, value in arguments.items():
        segments = [f"{{{name}}}" if segment == value else segment for segment in segments]
    return "/".join(segments)
