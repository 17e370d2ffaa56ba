"""Tool call ids: never empty, never twice in a conversation, and acceptable to every wire.

Path: the reply side makes ids that are missing; the request side writes foreign ones.
Pure: the same conversation and reply give the same ids.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from remanence.core.exchange import ToolCall

if TYPE_CHECKING:
    from remanence.core.exchange import Request

# OpenAI takes at most 40 characters, Anthropic only these; ids of another provider in an
# agent's history may be neither.
_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{1,40}")
_DIGEST_CHARS = 24


def ids_in(request: Request) -> set[str]:
    """The ids of every tool call the conversation holds."""
    return {
        part.tool_call_id
        for turn in request.turns
        for part in turn.parts
        if isinstance(part, ToolCall)
    }


def fresh_id(given: str, name: str, taken: set[str]) -> str:
    """`given`, or an id in its place when it is empty or in `taken`; the result joins `taken`.

    The made id depends on the tool's name and on how many ids are taken, so it is known before
    the arguments are, and is the same when the same reply is read again.
    """
    salt = len(taken)
    tool_call_id = given
    while not tool_call_id or tool_call_id in taken:
        tool_call_id = f"call_{_digest(f'{salt}/{name}/{given}')}"
        salt += 1
    taken.add(tool_call_id)
    return tool_call_id


def wire_id(tool_call_id: str) -> str:
    """The id as a provider accepts it; equal ids stay equal."""
    if _ACCEPTED.fullmatch(tool_call_id):
        return tool_call_id
    return f"call_{_digest(tool_call_id)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARS]
