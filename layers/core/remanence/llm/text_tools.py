"""Tools for models that take none: told in the system part, calls and returns written as text.

Path: openai_wire.OpenAIWire, after a server has refused tools -> told_as_text -> openai_request.
Pure. What the model answers is read by text_calls.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.core.exchange import Text, ToolCall, ToolReturn, Turn
from remanence.llm.payload import arguments_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.exchange import JsonObject, Part, Request, ToolSpec, TurnRole

_HOW = """# Tools
To use a tool, end your answer with one line like this for each call, and nothing behind it:
<tool_call>{"name": "the tool's name", "arguments": {"an argument": "its value"}}</tool_call>
What it returned comes next, as <tool_response>. Arguments are JSON that fits the tool's schema.
Your tools, one a line:"""


def told_as_text(request: Request) -> Request:
    """The same conversation without tools, calls and returns as parts of their own.

    Neighbours of one role become one turn: the templates of small models want roles to alternate.
    """
    tools = "\n".join(_line(spec) for spec in request.tools)
    system = "\n\n".join(filter(None, (request.system, f"{_HOW}\n{tools}", _duty(request))))
    turns: list[Turn] = []
    for turn in request.turns:
        role: TurnRole = "assistant" if turn.role == "assistant" else "user"
        parts = tuple(_spoken(part) for part in turn.parts)
        if turns and turns[-1].role == role:
            turns[-1] = replace(turns[-1], parts=_joined((*turns[-1].parts, *parts)))
        else:
            turns.append(Turn(role=role, parts=_joined(parts), name=turn.name))
    return replace(request, system=system, turns=tuple(turns), tools=(), tool_choice="auto")


def written_call(call: ToolCall) -> str:
    """A call as the model is asked to write it."""
    return _tagged("tool_call", {"name": call.name, "arguments": arguments_object(call.arguments)})


def _line(spec: ToolSpec) -> str:
    said: JsonObject = {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
    }
    return json.dumps(said, ensure_ascii=False)


def _duty(request: Request) -> str:
    """What the tool choice asks for."""
    name = request.forced_tool
    if name is not None:
        return f"Call {name} now."
    return {"required": "Call a tool now.", "none": "Call no tool now."}.get(
        request.tool_choice, ""
    )


def _spoken(part: Part) -> Part:
    match part:
        case ToolCall():
            return Text(text=written_call(part))
        case ToolReturn():
            said: JsonObject = {"name": part.name, "status": part.status, "result": part.text}
            return Text(text=_tagged("tool_response", said))
        case _:
            return part


def _tagged(tag: str, said: JsonObject) -> str:
    return f"<{tag}>{json.dumps(said, ensure_ascii=False)}</{tag}>"


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Texts that stand side by side become one, as the plainest form of a message."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Text) and isinstance(last, Text):
            joined[-1] = Text(text=f"{last.text}\n\n{part.text}")
        else:
            joined.append(part)
    return tuple(joined)
