"""The types of messages in the OpenAPI document are the messages that are sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from remanence.api.wire import message_types
from remanence.api.wire.messages import View, to_wire
from remanence.core.exchange import (
    Approval,
    Image,
    Reasoning,
    StoredPart,
    Text,
    ToolCall,
    ToolReturn,
)
from remanence.core.types import Message, MessageRole

CALL = ToolCall(tool_call_id="c", name="f", arguments="{}")
RETURN = ToolReturn(tool_call_id="c", name="f", text="x", stdout=("a",))
SAMPLES: list[tuple[MessageRole, tuple[StoredPart, ...]]] = [
    ("user", (Text(text="hi"),)),
    ("user", (Text(text="look"), Image(url="https://example.org/a.png"))),
    ("system", (Text(text="hi"),)),
    ("summary", (Text(text="they met"),)),
    ("assistant", (Reasoning(text="hm"), Reasoning(text="", redacted="x"), Text(text="yes"), CALL)),
    ("tool", (RETURN,)),
    ("approval", (CALL,)),
    ("approval", (Approval(tool_call_id="c", approve=True), RETURN)),
]


@pytest.mark.parametrize(("role", "parts"), SAMPLES)
def test_sent_message_has_exactly_the_fields_of_its_type(
    role: MessageRole, parts: tuple[StoredPart, ...]
) -> None:
    message = Message(
        id="message-75db1e9c-c728-479c-b12d-07ef33b74c5f",
        role=role,
        parts=parts,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
    )

    for wire in to_wire(message, View()):
        typed = TypeAdapter(message_types.AnyMessage).validate_python(wire)
        assert typed.message_type == wire["message_type"]
        assert set(wire) == set(type(typed).model_fields)
