"""One stored part as every provider takes it.

Path: core.history.turns_of -> here. Pure. What cannot be sent is changed as little as possible;
the caller compares, and says in the step's receipt what was mended.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.core.exchange import Image, Reasoning, ToolCall

if TYPE_CHECKING:
    from collections.abc import Container

    from remanence.core.exchange import JsonValue

# Of JSON that is passed on as such: deeper than any tool's schema, and no parser stumbles over it.
DEEPEST_ARGUMENTS = 64
LONGEST_NAME_CHARS = 64
_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_NAME_CHARS}}}")
# What a model says can hold no image: it is told in words that there was one.
IMAGE_BY_MODEL = "[An image that was made here.]"


def sendable_call(call: ToolCall, used_ids: Container[str]) -> ToolCall:
    """The call with a name and arguments that can be sent, and an id that no other call has."""
    name = call.name
    if not _NAME.fullmatch(name):
        name = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME_CHARS] or "unnamed"
    wanted = call.tool_call_id or "call"
    tool_call_id, count = wanted, 1
    while tool_call_id in used_ids:
        count += 1
        tool_call_id = f"{wanted}-{count}"
    return ToolCall(
        tool_call_id=tool_call_id, name=name, arguments=sendable_arguments(call.arguments)
    )


def sendable_arguments(arguments: str) -> str:
    """`arguments`, if they are a JSON object that can be sent; else one that quotes them."""
    if not arguments.strip():
        return "{}"
    try:
        value: JsonValue = json.loads(arguments, parse_constant=_no_number)
        if isinstance(value, dict) and _is_flat(value, DEEPEST_ARGUMENTS):
            # Refuses 1e999, and half a surrogate pair, which UTF-8 has no way to say.
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
            return arguments
    except (ValueError, RecursionError):
        pass
    return json.dumps({"unreadable_arguments": arguments})


def _no_number(name: str) -> float:
    raise ValueError(name)


def _is_flat(value: JsonValue, depth: int) -> bool:
    """Whether it is nested at most `depth` levels."""
    if isinstance(value, dict):
        return depth > 0 and all(_is_flat(item, depth - 1) for item in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_is_flat(item, depth - 1) for item in value)
    return True


def sendable_image(image: Image) -> Image | None:
    """The image by the one of its two forms that is complete; None when neither is."""
    if image.data and image.media_type:
        return image
    if not image.url:
        return None
    return replace(image, data=None, media_type=None)


def sendable_thought(thought: Reasoning) -> Reasoning:
    """The thought without empty marks, which mean that there are none."""
    if thought.signature == "" or thought.redacted == "":
        return replace(
            thought, signature=thought.signature or None, redacted=thought.redacted or None
        )
    return thought
