"""Reading a request: what was said last, what has been done about it, what is in view.

Path: demo.model -> read_situation -> demo.plan. Pure. The model keeps no state of its own, so
everything is found again in each request: the calls made since the user's last message and what
they returned are how it knows where it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from remanence.core.epoch import COMPILED_AFRESH
from remanence.core.exchange import Image, Text, ToolCall, ToolReturn
from remanence.core.memory_tools import MEMORY_TOOLS
from remanence.demo.memory import BlockView, edited, read_blocks, read_update, updated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from remanence.core.exchange import JsonObject, Request, ToolSpec, Turn

# Turns in the user's place that the user did not write: summaries, notices, heartbeats.
_NOT_BY_USER = re.compile(
    r"\s*(?:<conversation_summary>|\[System message\]|\(The conversation began before)"
)
_MUST_CALL = re.compile(r"You have to call (?P<names>[\w, ]+) before you may finish this turn\.")
_USER_LINE = "user: "
_PACKED_BY_SYSTEM = frozenset({"heartbeat", "system_alert", "login"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A tool call made since the user's last message, and what it gave back."""

    name: str
    arguments: JsonObject
    text: str
    is_ok: bool

    @property
    def written(self) -> str:
        """All text among the arguments, one per line."""
        return "\n".join(value for value in self.arguments.values() if isinstance(value, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the rules decide from.

    Args:
        message: what the user said last.
        has_image: the message holds an image too.
        earlier: what the user said before, oldest first.
        summary: the user's lines in what stands for messages out of view.
        blocks: core memory.
        tools: what may be called now, by name.
        attempts: the calls made since `message`, oldest first.
        must_call: tools that a notice demands before the turn may end.
    """

    message: str
    has_image: bool
    earlier: tuple[str, ...]
    summary: str
    blocks: tuple[BlockView, ...]
    tools: Mapping[str, ToolSpec]
    attempts: tuple[Attempt, ...]
    must_call: tuple[str, ...]

    def done(self, name: str) -> list[Attempt]:
        """The attempts with this tool, oldest first."""
        return [attempt for attempt in self.attempts if attempt.name == name]


def read_situation(request: Request) -> Situation:
    """Find the user's last message in `request`, and what has happened since."""
    said = [
        (at, text) for at, turn in enumerate(request.turns) if (text := _said(turn)) is not None
    ]
    last_at, message = said[-1] if said else (-1, "")
    since = request.turns[last_at + 1 :]
    last_turn = request.turns[last_at] if said else None
    return Situation(
        message=message,
        has_image=last_turn is not None and any(isinstance(p, Image) for p in last_turn.parts),
        earlier=tuple(text for _, text in said[:-1]),
        summary="\n".join(
            line.removeprefix(_USER_LINE)
            for turn in request.turns
            if _is_summary(turn)
            for line in _text(turn).splitlines()
            if line.startswith(_USER_LINE)
        ),
        blocks=_blocks_now(request),
        tools={tool.name: tool for tool in request.tools},
        attempts=tuple(_attempts(since)),
        must_call=tuple(
            name.strip()
            for turn in since
            if (demand := _MUST_CALL.search(_text(turn)))
            for name in demand["names"].split(",")
        ),
    )


def _blocks_now(request: Request) -> tuple[BlockView, ...]:
    """Core memory as it is: the system prompt stands still, and the turns say what changed."""
    blocks = read_blocks(request.system)
    calls: dict[str, ToolCall] = {}
    for turn in request.turns:
        text = _text(turn)
        if COMPILED_AFRESH in text:
            blocks = read_blocks(request.system)
        blocks = updated(blocks, read_update(text))
        for part in turn.parts:
            if isinstance(part, ToolCall):
                calls[part.tool_call_id] = part
            elif isinstance(part, ToolReturn) and part.status == "success":
                call = calls.get(part.tool_call_id)
                if call is not None and call.name in MEMORY_TOOLS:
                    blocks = edited(blocks, call.name, _object(call.arguments))
    return blocks


def _text(turn: Turn) -> str:
    return "\n".join(part.text for part in turn.parts if isinstance(part, Text))


def _is_summary(turn: Turn) -> bool:
    return turn.role == "user" and _text(turn).lstrip().startswith("<conversation_summary>")


def _said(turn: Turn) -> str | None:
    """What the user wrote in this turn, or None when it is not the user's."""
    if turn.role != "user":
        return None
    text = _text(turn)
    if _NOT_BY_USER.match(text) or _MUST_CALL.fullmatch(text.strip()):
        return None
    packed = _object(text)
    if packed.get("type") in _PACKED_BY_SYSTEM:
        return None
    # Agents of the retired server keep their old messages in an envelope.
    inner = packed.get("message") if packed.get("type") == "user_message" else None
    return inner if isinstance(inner, str) else text


def _attempts(turns: tuple[Turn, ...]) -> Iterator[Attempt]:
    calls: dict[str, ToolCall] = {}
    for turn in turns:
        for part in turn.parts:
            if isinstance(part, ToolCall):
                calls[part.tool_call_id] = part
            elif isinstance(part, ToolReturn) and (call := calls.get(part.tool_call_id)):
                yield Attempt(
                    name=call.name,
                    arguments=_object(call.arguments),
                    text=_unpacked(part.text),
                    is_ok=part.status == "success",
                )


def _unpacked(text: str) -> str:
    """A tool's own words: models read returns in an envelope {"status", "message", "time"}."""
    envelope = _object(text)
    message = envelope.get("message")
    if "status" not in envelope or message is None:
        return text
    return message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)


def _object(text: str) -> JsonObject:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        value: object = json.loads(text)
    except ValueError:
        return {}
    return cast("JsonObject", value) if isinstance(value, dict) else {}
