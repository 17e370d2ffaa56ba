"""What both of OpenAI's protocols say in their own words: messages, forms, tools of the caller.

Path: wire/chat_completions.py, wire/responses.py -> here -> core.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.core.approvals import CLIENT_TOOL
from remanence.core.exchange import StoredPart, ToolReturn
from remanence.core.ids import IdSource, ToolId
from remanence.core.tokens import estimate_parts
from remanence.core.types import Message, Tool
from remanence.errors import InvalidRequest


class TextFormat(BaseModel):
    """In what form the agent answers."""

    type: Literal["text"] = Field(
        default="text", description="Only text: a form is the agent's own setting."
    )


def new_message(
    role: Literal["user", "approval"],
    parts: tuple[StoredPart, ...],
    now: datetime,
    new_id: IdSource,
) -> Message:
    """A message that is said now.

    Raises:
        InvalidRequest: it is empty.
    """
    if not parts:
        raise InvalidRequest("content: a message must not be empty", field="content")
    return Message(
        id=new_id("message"),
        role=role,
        parts=parts,
        created_at=now,
        tokens=estimate_parts(parts),
    )


def answer_key(messages: Sequence[Message]) -> str | None:
    """What says by itself that two requests are one: the calls that they answer, if they do.

    A call is answered once, so an answer that is sent again is the same one.
    """
    calls = [
        part.tool_call_id
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturn)
    ]
    return "to:" + hashlib.sha256("\n".join(sorted(calls)).encode()).hexdigest() if calls else None


def caller_tool(name: str, description: str | None, parameters: dict[str, Any] | None) -> Tool:
    """A function that the caller runs."""
    return Tool(
        id=ToolId(""),
        name=name,
        description=description or "",
        tool_type=CLIENT_TOOL,
        parameters=parameters or {"type": "object", "properties": {}},
    )
