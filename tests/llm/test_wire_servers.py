"""The loopback servers answer as the vendors' own types say."""

from __future__ import annotations

import json
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from support import wire_anthropic, wire_openai, wire_responses
from support.conversations import call
from support.wires import a_reply

from remanence.core.exchange import Reasoning

REPLY = a_reply(
    Reasoning(text="I should look.", signature="sig"), "Let me.", call("call_1"), call("call_2")
)
BODY = {"model": "m", "stream_options": {"include_usage": True}}


def data_of(events: Any) -> list[Any]:
    texts = [event.partition("data: ")[2].strip() for event in events]
    return [json.loads(text) for text in texts if text != "[DONE]"]


def test_chat_completions_server_answers_in_openais_types() -> None:
    chunks = [
        ChatCompletionChunk.model_validate(data, strict=True)
        for data in data_of(wire_openai.events(REPLY, BODY, True))
    ]
    whole = ChatCompletion.model_validate(
        wire_openai.whole(REPLY, BODY, "/v1/chat/completions"), strict=True
    )

    assert chunks[-1].usage is not None
    assert len(whole.choices[0].message.tool_calls or []) == 2


def test_messages_server_answers_in_anthropics_types() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    events = data_of(wire_anthropic.events(REPLY, BODY, True))

    read = [adapter.validate_python(data) for data in events if data["type"] != "ping"]
    whole = Message.model_validate(wire_anthropic.whole(REPLY, BODY, "/v1/messages"))

    assert [event.type for event in read][-1] == "message_stop"
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use", "tool_use"]


def test_responses_server_answers_in_openais_types() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    reply = a_reply(
        Reasoning(text="I should look.", redacted="openai:rs_1:c2VjcmV0"),
        "Let me.",
        call("call_1"),
        call("call_2"),
    )
    events = data_of(wire_responses.events(reply, BODY, True))

    read = [adapter.validate_python(data, strict=True) for data in events]
    whole = Response.model_validate(wire_responses.whole(reply, BODY, "/v1/responses"), strict=True)

    assert [event.type for event in read][-1] == "response.completed"
    assert read[-1].response.usage is not None
    kinds = ["reasoning", "message", "function_call", "function_call"]
    assert [item.type for item in whole.output] == kinds
