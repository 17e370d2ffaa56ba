"""One message and what comes back: the events of a stream, made into what a person sees.

Path: chat -> RunReader.take for each event -> chat_view. Knows the protocol, not the terminal.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from remanence.local.chat_http import number_at, objects_in, text_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.exchange import JsonObject, JsonValue

# Tools whose success may have changed core memory.
_MEMORY_PREFIXES = ("memory", "core_memory")
# How a run may end without a word about it.
_ORDINARY_ENDS = frozenset({"end_turn", "tool_rule"})
_ENDS = {
    "max_steps": "stopped: it took as many steps as it may",
    "cancelled": "cancelled",
    "requires_approval": "waiting: it wants to call a tool that needs an approval",
    "max_tokens_exceeded": "cut off: the answer reached its length limit",
    "no_tool_call": "stopped: it called no tool where it had to",
}


@dataclass(frozen=True, slots=True)
class Edit:
    """What one block lost and gained, line by line."""

    label: str
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Used:
    """What a run used, in tokens; `cached_tokens` are part of the prompt's."""

    steps: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


class RunView(Protocol):
    """Where a run is shown."""

    def wait(self, what: str) -> None:
        """Nothing to show yet; `what` is going on."""
        ...

    def say(self, text: str, *, is_new: bool) -> None:
        """A fragment of the answer; `is_new` begins another message."""
        ...

    def think(self, text: str, *, is_new: bool) -> None:
        """A fragment of reasoning."""
        ...

    def called(self, name: str, arguments: str, result: str, *, is_ok: bool) -> None:
        """A tool call and what it gave back."""
        ...

    def edited(self, edits: list[Edit]) -> None:
        """Core memory changed."""
        ...

    def failed(self, message: str) -> None:
        """The run, or the server, failed."""
        ...

    def remark(self, text: str) -> None:
        """Something worth knowing about the run."""
        ...

    def used(self, used: Used) -> None:
        """The run is over and used this much."""
        ...


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class RunReader:
    """Takes the events of one run in their order.

    Args:
        view: where they are shown.
        fetch_blocks: reads core memory, label -> value.
        blocks: core memory as it was before; kept up to date here.
        run_id: of the run, once the server has said it.
        is_over: the server has said why the run ended.
    """

    view: RunView
    fetch_blocks: Callable[[], dict[str, str]]
    blocks: dict[str, str]
    run_id: str = ""
    is_over: bool = False
    _calls: dict[str, _Call] = field(default_factory=dict[str, _Call])
    _speaking: tuple[str, str, str] = ("", "", "")

    def take(self, event: JsonObject) -> None:
        """Show one event."""
        self.run_id = text_at(event, "run_id") or self.run_id
        match event.get("message_type"):
            case "assistant_message":
                self.view.say(_content(event.get("content")), is_new=self._is_new(event))
            case "reasoning_message":
                self.view.think(text_at(event, "reasoning"), is_new=self._is_new(event))
            case "tool_call_message" | "approval_request_message":
                self._take_call(event)
            case "tool_return_message":
                self._take_returns(event)
            case "error_message":
                self.view.failed(text_at(event, "message") or text_at(event, "detail"))
            case "stop_reason":
                self._take_stop(text_at(event, "stop_reason"))
            case "usage_statistics":
                self.view.used(_used(event))
            case "summary_message" | "event_message":
                self.view.remark("older messages were summarised to make room")
            case _:  # pings, and kinds that newer servers may add
                self.view.wait("thinking")

    def _is_new(self, event: JsonObject) -> bool:
        """Whether a fragment begins another message than the one before it."""
        key = (text_at(event, "message_type"), text_at(event, "id"), text_at(event, "otid"))
        is_new = key != self._speaking
        self._speaking = key
        return is_new

    def _take_call(self, event: JsonObject) -> None:
        """A call, whole or in fragments: the first has its name, the others its arguments."""
        calls = objects_in(event.get("tool_calls")) or objects_in([event.get("tool_call")])
        for part in calls:
            call = self._calls.setdefault(text_at(part, "tool_call_id"), _Call())
            call.name += text_at(part, "name")
            call.arguments += text_at(part, "arguments")
            self.view.wait(f"calling {call.name}")

    def _take_returns(self, event: JsonObject) -> None:
        is_memory_touched = False
        for part in objects_in(event.get("tool_returns")) or [event]:
            call = self._calls.pop(text_at(part, "tool_call_id"), _Call())
            name = call.name or text_at(event, "name")
            is_ok = text_at(part, "status") == "success"
            self.view.called(name, call.arguments, _content(part.get("tool_return")), is_ok=is_ok)
            is_memory_touched |= is_ok and name.startswith(_MEMORY_PREFIXES)
        if is_memory_touched:
            now = self.fetch_blocks()
            edits = edits_between(self.blocks, now)
            self.blocks = now
            if edits:
                self.view.edited(edits)
        self.view.wait("thinking")

    def _take_stop(self, reason: str) -> None:
        self.is_over = True
        for call in self._calls.values():
            self.view.called(call.name, call.arguments, "", is_ok=True)
        self._calls.clear()
        if reason not in _ORDINARY_ENDS:
            self.view.remark(_ENDS.get(reason, f"stopped: {reason}"))


def _content(value: JsonValue) -> str:
    """The text of a message's content: a string, or a list of parts."""
    if isinstance(value, str):
        return value
    return "".join(text_at(part, "text") for part in objects_in(value))


def _used(event: JsonObject) -> Used:
    return Used(
        steps=number_at(event, "step_count"),
        prompt_tokens=number_at(event, "prompt_tokens"),
        completion_tokens=number_at(event, "completion_tokens"),
        cached_tokens=number_at(event, "cached_input_tokens"),
    )


def edits_between(before: dict[str, str], after: dict[str, str]) -> list[Edit]:
    """The lines that each block lost and gained; blocks that are the same are left out."""
    edits: list[Edit] = []
    for label in dict.fromkeys([*before, *after]):
        old, new = before.get(label, "").splitlines(), after.get(label, "").splitlines()
        lines = list(difflib.ndiff(old, new))
        removed = tuple(line[2:] for line in lines if line.startswith("- "))
        added = tuple(line[2:] for line in lines if line.startswith("+ "))
        if removed or added:
            edits.append(Edit(label, removed, added))
    return edits


def call_in_short(name: str, arguments: str) -> str:
    """A call as a person reads it: `archival_memory_search "wifi password"`."""
    try:
        value: object = json.loads(arguments or "{}")
    except ValueError:
        return f"{name} {arguments}"
    members = cast("JsonObject", value) if isinstance(value, dict) else {}
    shown = {key: item for key, item in members.items() if key != "request_heartbeat"}
    texts = [json.dumps(item, ensure_ascii=False) for item in shown.values()]
    if len(shown) == 1:
        return f"{name} {texts[0]}"
    pairs = ", ".join(f"{key}={text}" for key, text in zip(shown, texts, strict=True))
    return f"{name} {pairs}".strip()


def results_in(text: str) -> list[str] | None:
    """The texts that a search found; None when this is not the return of a search."""
    try:
        value = cast("JsonValue", json.loads(text))
    except ValueError:
        return None
    found = value.get("results") if isinstance(value, dict) else value
    if not isinstance(found, list):
        return None
    return [text_at(hit, "content") or text_at(hit, "text") for hit in objects_in(found)]
