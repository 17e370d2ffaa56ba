"""Requests to show to a wire: one of everything, and the golden files they are compared with."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from remanence.core.exchange import (
    Image,
    ModelSettings,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolReturn,
    ToolSpec,
    Turn,
)

if TYPE_CHECKING:
    from pathlib import Path

SEARCH = ToolSpec(
    name="archival_memory_search",
    description="Search archival memory.",
    parameters={
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
    },
)
SEND = ToolSpec(
    name="send_message",
    description="Say something to the user.",
    parameters={"type": "object", "properties": {"message": {"type": "string"}}},
)
_PIXEL = "iVBORw0KGgo="


def user(*parts: Any, name: str | None = None) -> Turn:
    """A user turn; strings are texts."""
    return Turn(role="user", parts=_parts(parts), name=name)


def assistant(*parts: Any) -> Turn:
    """An assistant turn; strings are texts."""
    return Turn(role="assistant", parts=_parts(parts))


def returns(*parts: ToolReturn) -> Turn:
    """A tool turn."""
    return Turn(role="tool", parts=parts)


def call(tool_call_id: str, query: str = "tea") -> ToolCall:
    """A search."""
    arguments = json.dumps({"query": query})
    return ToolCall(tool_call_id=tool_call_id, name=SEARCH.name, arguments=arguments)


def returned(tool_call_id: str, text: str = "found", status: Any = "success") -> ToolReturn:
    """What a search gave."""
    return ToolReturn(tool_call_id=tool_call_id, name=SEARCH.name, text=text, status=status)


def a_request(*turns: Turn, handle: str = "openai/gpt-4o", **fields: Any) -> Request:
    """A request; "Hello" when no turns are given. Fields of ModelSettings go into settings."""
    names = ModelSettings.__dataclass_fields__
    settings = ModelSettings(**{k: v for k, v in fields.items() if k in names})
    rest = {k: v for k, v in fields.items() if k not in names}
    request = Request(handle=handle, system="You are Ada.", turns=turns or (user("Hello"),))
    return replace(request, settings=settings, **rest)


def everything(handle: str) -> Request:
    """A conversation with every kind of part, ids of several providers, and broken arguments."""
    return a_request(
        user("Who likes tea?", name="Ann Lee"),
        assistant(
            Reasoning(text="I should look.", signature="sig-1"),
            "Let me look.",
            call("call_1"),
            ToolCall(
                tool_call_id="functions.search:0|fc_" + "x" * 60,
                name=SEARCH.name,
                arguments='{"query": ',
            ),
        ),
        returns(
            returned("call_1", "Ann does."),
            returned("functions.search:0|fc_" + "x" * 60, "not JSON", "error"),
        ),
        user("And a note of the system."),
        user(
            Text(text="What is this?"),
            Image(url="https://example.org/cat.png", detail="low"),
            Image(media_type="image/png", data=_PIXEL),
        ),
        assistant(Reasoning(text="", redacted="opaque"), "A cat."),
        user("Thanks", ""),
        assistant(Reasoning(text="unsigned, of another provider")),
        user("Still there?"),
        handle=handle,
        tools=(SEARCH, SEND),
        cache_key="conv-1",
        max_output_tokens=1000,
        temperature=0.5,
    )


def _parts(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(Text(text=part) if isinstance(part, str) else part for part in parts)


def matches_golden(folder: Path, name: str, found: Any) -> bool:
    """Compare with a golden file; with GOLDEN=1 in the environment, write it instead."""
    path = folder / f"{name}.json"
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8") == text
