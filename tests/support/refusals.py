"""Calls of the SDK that are refused, and the things they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from letta_client import Letta

LIMIT = 20


@dataclass(frozen=True)
class Case:
    """One call that is refused; `send` is given the client and the things there are."""

    id: str
    operation: str
    send: Callable[[Letta, Things], object]


class Things:
    """What the calls are about, made before anything is compared."""

    def __init__(self, client: Letta) -> None:
        block = {"label": "human", "value": "Bob", "limit": LIMIT}
        team = {"label": "team", "value": "Ada", "read_only": True}
        self.agent_id = client.agents.create(
            name="refuses", model=MODEL, memory_blocks=[block, team]
        ).id
        self.tool_id = client.tools.create(source_code=_SOURCE).id
        self.builtin_id = client.tools.list(name="send_message").items[0].id
        self.block_id = client.blocks.create(label="human", value="another").id
        self.archive_id = client.archives.create(name="shelf").id
        self.conversation_id = client.conversations.create(agent_id=self.agent_id).id
        said = client.agents.messages.create(self.agent_id, input="hi [[script: say yes]]")
        self.run_id = said.messages[0].run_id


_SOURCE = 'def tell() -> str:\n    """Tell."""\n    return "x"\n'
_LONG = "y" * (LIMIT + 1)
_RULE: Any = {"type": "exit_loop", "tool_name": "no_such_tool"}


def _unknown() -> list[Case]:
    named = "unknown id"
    return [
        Case(named, "agents.retrieve", lambda c, _: c.agents.retrieve(new_id("agent"))),
        Case(named, "agents.update", lambda c, _: c.agents.update(new_id("agent"), name="x")),
        Case(named, "agents.delete", lambda c, _: c.agents.delete(new_id("agent"))),
        Case(
            named,
            "agents.messages.create",
            lambda c, _: c.agents.messages.create(new_id("agent"), input="x"),
        ),
        Case(
            named,
            "agents.tools.attach",
            lambda c, t: c.agents.tools.attach(new_id("tool"), agent_id=t.agent_id),
        ),
        Case(
            named,
            "agents.blocks.attach",
            lambda c, t: c.agents.blocks.attach(new_id("block"), agent_id=t.agent_id),
        ),
        Case(
            named,
            "agents.passages.create",
            lambda c, _: c.agents.passages.create(new_id("agent"), text="x"),
        ),
        Case(named, "blocks.update", lambda c, _: c.blocks.update(new_id("block"), value="x")),
        Case(named, "blocks.delete", lambda c, _: c.blocks.delete(new_id("block"))),
        Case(named, "archives.delete", lambda c, _: c.archives.delete(new_id("archive"))),
        Case(
            named,
            "archives.passages.create",
            lambda c, _: c.archives.passages.create(new_id("archive"), text="x"),
        ),
        Case(
            named,
            "conversations.create",
            lambda c, _: c.conversations.create(agent_id=new_id("agent")),
        ),
        Case(named, "conversations.delete", lambda c, _: c.conversations.delete(new_id("conv"))),
        Case(named, "messages.retrieve", lambda c, _: c.messages.retrieve(new_id("message"))),
        Case(named, "runs.retrieve", lambda c, _: c.runs.retrieve(new_id("run"))),
        Case(
            named,
            "steps.feedback.create",
            lambda c, _: c.steps.feedback.create(new_id("step"), feedback="positive"),
        ),
        Case(named, "tools.delete", lambda c, _: c.tools.delete(new_id("tool"))),
        Case(
            "unknown label",
            "agents.blocks.update",
            lambda c, t: c.agents.blocks.update("no", agent_id=t.agent_id, value="x"),
        ),
        Case(
            "unknown tool name",
            "agents.tools.run",
            lambda c, t: c.agents.tools.run("no_such_tool", agent_id=t.agent_id),
        ),
    ]


def _malformed() -> list[Case]:
    named = "malformed id"
    return [
        Case(named, "agents.retrieve", lambda c, _: c.agents.retrieve("agent-1")),
        Case(named, "agents.delete", lambda c, t: c.agents.delete(t.block_id)),
        Case(named, "blocks.retrieve", lambda c, _: c.blocks.retrieve("x' or 1=1")),
        Case(named, "runs.retrieve", lambda c, _: c.runs.retrieve("run-")),
        Case("bad cursor", "agents.list", lambda c, _: c.agents.list(after="agent-1")),
        Case("unknown cursor", "agents.list", lambda c, _: c.agents.list(after=new_id("agent"))),
        Case(
            "cursor of another kind",
            "agents.messages.list",
            lambda c, t: c.agents.messages.list(t.agent_id, before=t.run_id),
        ),
        Case("unknown order", "blocks.list", lambda c, _: c.blocks.list(order=_any("up"))),
        Case("no such field", "agents.list", lambda c, _: c.agents.list(order_by=_any("price"))),
        Case("limit of nothing", "tools.list", lambda c, _: c.tools.list(limit=0)),
    ]


def _wrong() -> list[Case]:
    named = "wrong type"
    return [
        Case(named, "agents.create", lambda c, _: c.agents.create(model=MODEL, name=_any(5))),
        Case(named, "agents.create", lambda c, _: c.agents.create(model=MODEL, tags=_any("a"))),
        Case(
            named,
            "agents.update",
            lambda c, t: c.agents.update(t.agent_id, context_window_limit=_any("many")),
        ),
        Case(
            named,
            "agents.messages.create",
            lambda c, t: c.agents.messages.create(t.agent_id, messages=_any({"role": "user"})),
        ),
        Case(named, "blocks.create", lambda c, _: c.blocks.create(label="x", value=_any(["x"]))),
        Case(
            "unknown agent type",
            "agents.create",
            lambda c, _: c.agents.create(model=MODEL, agent_type=_any("oracle")),
        ),
        Case(
            "unknown model",
            "agents.create",
            lambda c, _: c.agents.create(model="acme/nothing"),
        ),
        Case(
            "unknown model",
            "agents.update",
            lambda c, t: c.agents.update(t.agent_id, model="acme/nothing"),
        ),
        Case("model without a provider", "agents.create", lambda c, _: c.agents.create(model="m")),
        Case(
            "unknown embedding model",
            "agents.create",
            lambda c, _: c.agents.create(model=MODEL, embedding="acme/vectors"),
        ),
        Case(
            "rule for a tool the agent lacks",
            "agents.create",
            lambda c, _: c.agents.create(model=MODEL, tool_rules=[_RULE]),
        ),
        Case(
            "neither messages nor input",
            "agents.messages.create",
            lambda c, t: c.agents.messages.create(t.agent_id),
        ),
        Case(
            "both messages and input",
            "agents.messages.create",
            lambda c, t: c.agents.messages.create(
                t.agent_id, input="x", messages=[{"role": "user", "content": "x"}]
            ),
        ),
        Case(
            "no source",
            "tools.create",
            lambda c, _: c.tools.create(source_code="this is no function"),
        ),
        Case(
            "no agent file",
            "agents.import_file",
            lambda c, _: c.agents.import_file(file=("x.af", b"[]")),
        ),
        Case(
            "text that cannot be stored",
            "blocks.create",
            lambda c, _: c.blocks.create(label="x", value="a\0b"),
        ),
    ]


def _too_much() -> list[Case]:
    return [
        Case(
            "block over its limit",
            "blocks.create",
            lambda c, _: c.blocks.create(label="x", value=_LONG, limit=LIMIT),
        ),
        Case(
            "block over its limit",
            "agents.blocks.update",
            lambda c, t: c.agents.blocks.update("human", agent_id=t.agent_id, value=_LONG),
        ),
        Case(
            "limit below what is there",
            "agents.blocks.update",
            lambda c, t: c.agents.blocks.update("human", agent_id=t.agent_id, limit=1),
        ),
        Case(
            "block over its limit, with an agent",
            "agents.create",
            lambda c, _: c.agents.create(
                model=MODEL, memory_blocks=[{"label": "x", "value": _LONG, "limit": LIMIT}]
            ),
        ),
        Case(
            "body over 10 MB",
            "blocks.create",
            lambda c, _: c.blocks.create(label="x", value="y" * 11_000_000),
        ),
        Case(
            "empty passage",
            "archives.passages.create",
            lambda c, t: c.archives.passages.create(t.archive_id, text=""),
        ),
    ]


def _in_the_way() -> list[Case]:
    return [
        Case(
            "label in use",
            "agents.blocks.attach",
            lambda c, t: c.agents.blocks.attach(t.block_id, agent_id=t.agent_id),
        ),
        Case(
            "label in use",
            "agents.blocks.update",
            lambda c, t: c.agents.blocks.update("human", agent_id=t.agent_id, label="team"),
        ),
        Case(
            "label twice",
            "agents.create",
            lambda c, _: c.agents.create(
                model=MODEL, memory_blocks=[{"label": "x", "value": ""}] * 2
            ),
        ),
        Case(
            "name of a built-in tool",
            "tools.create",
            lambda c, _: c.tools.create(source_code=_SOURCE.replace("tell", "send_message")),
        ),
        Case("built-in tool", "tools.delete", lambda c, t: c.tools.delete(t.builtin_id)),
        Case(
            "built-in tool",
            "tools.update",
            lambda c, t: c.tools.update(t.builtin_id, source_code=_SOURCE),
        ),
        Case(
            "nothing to cancel",
            "agents.messages.cancel",
            lambda c, t: c.agents.messages.cancel(t.agent_id),
        ),
        Case("not served", "folders.create", lambda c, _: c.folders.create(name="x")),
    ]


CASES = [*_unknown(), *_malformed(), *_wrong(), *_too_much(), *_in_the_way()]


def _any(value: object) -> Any:
    """A value that the SDK's types forbid."""
    return value
