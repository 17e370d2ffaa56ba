"""OpenAI's chat completions as a way to talk to an agent.

Path: routes/chat_completions.py -> ChatRequest -> engine.start -> here. The caller's history is
not read: the agent remembers it. New is what stands behind the last reply in the request: what
the user says, and what tools of the caller gave back.
"""

import hashlib
import json
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.api.wire.messages import View
from remanence.api.wire.pace import paced
from remanence.api.wire.sight import Sight
from remanence.api.wire.stream import COMMENT, DONE, KEEPALIVE_S, handed_over_message
from remanence.core.approvals import CLIENT_TOOL
from remanence.core.claims import RunOrder
from remanence.core.events import (
    Event,
    RunEnded,
    RunHandedOver,
    StepStored,
)
from remanence.core.exchange import Image, StoredPart, Text, ToolCall, ToolReturn
from remanence.core.ids import IdSource, ToolId
from remanence.core.tokens import estimate_parts
from remanence.core.types import Message, RunOptions, StopReason, Tool
from remanence.errors import InvalidRequest

_SPOKEN = frozenset({"assistant_message"})
_DATA_URL = "data:"
_CHUNK = "chat.completion.chunk"


class ImageUrl(BaseModel):
    """Where an image is, or the image itself as a data URL."""

    url: str = Field(min_length=1)
    detail: str | None = None


class ContentPart(BaseModel):
    """A piece of what is said."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: ImageUrl | None = None


class FunctionCall(BaseModel):
    """What a model called."""

    name: str
    arguments: str = ""


class ChatToolCall(BaseModel):
    """A call of one of the caller's tools, as it was answered before."""

    id: str
    function: FunctionCall


class ChatMessage(BaseModel):
    """One message of the caller's history."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ChatToolCall] | None = None


class ChatFunction(BaseModel):
    """A function of the caller."""

    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class ChatTool(BaseModel):
    """A tool of the caller, who runs it."""

    type: Literal["function"] = "function"
    function: ChatFunction


class StreamWish(BaseModel):
    """What a stream shall have beside the text."""

    include_usage: bool = False


class ChatRequest(BaseModel):
    """Say something to an agent. Model settings are the agent's own; others are not read."""

    model: str = Field(min_length=1, description="The agent's id, or its name.")
    messages: list[ChatMessage] = Field(
        min_length=1,
        description="What is behind the last assistant message is said; the rest is remembered "
        "already. System messages are not read: the agent has its own.",
    )
    stream: bool = False
    stream_options: StreamWish | None = None
    user: str | None = Field(
        default=None, max_length=500, description="Each user has a conversation of their own."
    )
    conversation_id: str | None = Field(
        default=None, description="The conversation, in place of the user's."
    )
    tools: list[ChatTool] | None = Field(
        default=None, description="Run by the caller: calls come back with tool_calls."
    )
    n: int = Field(default=1, ge=1, le=1, description="An agent answers once.")

    def to_order(
        self,
        *,
        agent_id: str,
        conversation_id: str | None,
        idempotency_key: str | None,
        now: datetime,
        new_id: IdSource,
    ) -> RunOrder:
        """The run that this asks for.

        Raises:
            InvalidRequest: nothing new is said, or an image has no type.
        """
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()
        return RunOrder(
            agent_id=agent_id,
            conversation_id=conversation_id,
            messages=tuple(self._said(now, new_id)),
            options=RunOptions(client_tools=tuple(_tool(tool) for tool in self.tools or ())),
            idempotency_key=idempotency_key,
            request_hash=digest if idempotency_key else None,
        )

    def _said(self, now: datetime, new_id: IdSource) -> Iterator[Message]:
        replies = [n for n, message in enumerate(self.messages) if message.role == "assistant"]
        new = self.messages[replies[-1] + 1 :] if replies else self.messages
        returned = tuple(self._return(message) for message in new if message.role == "tool")
        if returned:
            yield _message("approval", returned, now, new_id)
        users = [message for message in new if message.role == "user"]
        if not returned and not users:
            raise InvalidRequest(
                "messages: nothing new is said behind the last assistant message", field="messages"
            )
        for message in users:
            yield _message("user", tuple(_parts(message)), now, new_id)

    def _return(self, message: ChatMessage) -> ToolReturn:
        names = {
            call.id: call.function.name
            for earlier in self.messages
            for call in earlier.tool_calls or ()
        }
        call_id = message.tool_call_id or ""
        text = "".join(part.text for part in _parts(message) if isinstance(part, Text))
        return ToolReturn(tool_call_id=call_id, name=names.get(call_id, ""), text=text)


def _message(
    role: Literal["user", "approval"],
    parts: tuple[StoredPart, ...],
    now: datetime,
    new_id: IdSource,
) -> Message:
    if not parts:
        raise InvalidRequest("content: a message must not be empty", field="content")
    return Message(
        id=new_id("message"),
        role=role,
        parts=parts,
        created_at=now,
        tokens=estimate_parts(parts),
    )


def _parts(message: ChatMessage) -> Iterator[Text | Image]:
    content = message.content or ""
    pieces = [ContentPart(type="text", text=content)] if isinstance(content, str) else content
    for piece in pieces:
        if piece.image_url is not None:
            yield _image(piece.image_url)
        elif piece.text and piece.text.strip():
            yield Text(text=piece.text)


def _image(image: ImageUrl) -> Image:
    if not image.url.startswith(_DATA_URL):
        return Image(url=image.url, detail=image.detail)
    head, _, data = image.url.removeprefix(_DATA_URL).partition(",")
    media_type, _, encoding = head.partition(";")
    if encoding != "base64" or not media_type or not data:
        raise InvalidRequest("image_url: must be data:<type>;base64,<data>", field="image_url")
    return Image(media_type=media_type, data=data, detail=image.detail)


def _tool(tool: ChatTool) -> Tool:
    function = tool.function
    return Tool(
        id=ToolId(""),
        name=function.name,
        description=function.description or "",
        tool_type=CLIENT_TOOL,
        parameters=function.parameters or {"type": "object", "properties": {}},
    )


class Telling:
    """What an agent says in a run, as the text and the calls of one reply."""

    def __init__(self, *, tokens: bool) -> None:
        self._sight = Sight(View(message_types=_SPOKEN), tokens=tokens)
        self._last_id: str | None = None

    def hear(self, event: Event) -> tuple[str, list[ToolCall]]:
        """The text and the calls for the caller that this event adds."""
        if isinstance(event, RunEnded | RunHandedOver):
            return "", []
        text = "".join(self._spaced(wire) for wire in self._sight.see(event))
        stored = event.messages if isinstance(event, StepStored) else ()
        return text, [
            part
            for message in stored
            if message.role == "approval"
            for part in message.parts
            if isinstance(part, ToolCall) and part.waits
        ]

    def _spaced(self, wire: dict[str, Any]) -> str:
        """What is said in several messages of a run is one reply with paragraphs."""
        gap = "\n\n" if self._last_id not in (None, wire["id"]) else ""
        self._last_id = wire["id"]
        return gap + str(wire["content"])


def completion(
    events: Iterable[Event], head: dict[str, Any]
) -> tuple[dict[str, Any], RunEnded | RunHandedOver]:
    """The whole reply of a run, and how the run ended."""
    telling = Telling(tokens=False)
    texts: list[str] = []
    calls: list[ToolCall] = []
    for event in events:
        text, called = telling.hear(event)
        texts.append(text)
        calls += called
        if isinstance(event, RunEnded | RunHandedOver):
            message: dict[str, Any] = {
                "role": "assistant",
                "content": "".join(texts) or None,
                "refusal": None,
            }
            if calls:
                message["tool_calls"] = [_call_to_wire(call) for call in calls]
            reason = _finish(event, calls) if isinstance(event, RunEnded) else "stop"
            choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
            whole = {
                **head,
                "object": "chat.completion",
                "choices": [choice],
                "usage": usage_to_wire(event),
            }
            return whole, event
    raise RuntimeError("the engine ended a run without saying how")


async def chunks(
    events: Generator[Event], head: dict[str, Any], *, include_usage: bool
) -> AsyncGenerator[bytes]:
    """The reply of a run as a stream; a comment now and then while the model is silent."""
    telling = Telling(tokens=True)
    calls: list[ToolCall] = []
    yield _chunk(head, {"role": "assistant", "content": ""})
    async with aclosing(paced(events, KEEPALIVE_S)) as beats:
        async for event in beats:
            if event is None:
                yield COMMENT
                continue
            for delta in _deltas(event, telling, calls):
                yield _chunk(head, delta)
            if isinstance(event, RunEnded | RunHandedOver):
                for chunk in _end(event, head, calls, include_usage=include_usage):
                    yield chunk
                return
    yield _failure("stream_incomplete", "the run broke off unexpectedly")
    yield DONE


def _deltas(event: Event, telling: Telling, calls: list[ToolCall]) -> Iterator[dict[str, Any]]:
    """What an event adds to the reply; its calls are added to `calls`."""
    text, called = telling.hear(event)
    if text:
        yield {"content": text}
    for call in called:
        yield {"tool_calls": [{"index": len(calls), **_call_to_wire(call)}]}
        calls.append(call)


def _end(
    event: RunEnded | RunHandedOver,
    head: dict[str, Any],
    calls: Sequence[ToolCall],
    *,
    include_usage: bool,
) -> Iterator[bytes]:
    if isinstance(event, RunHandedOver):
        yield _failure("stream_incomplete", handed_over_message(event))
    elif event.error is not None:
        yield _failure(event.error.type, event.error.message)
    else:
        yield _chunk(head, {}, _finish(event, calls))
        if include_usage:
            usage = usage_to_wire(event)
            yield _data({**head, "object": _CHUNK, "choices": [], "usage": usage})
    yield DONE


def _chunk(head: dict[str, Any], delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    return _data({**head, "object": _CHUNK, "choices": [choice]})


def _failure(kind: str, message: str) -> bytes:
    return _data({"error": {"message": message, "type": kind, "param": None, "code": kind}})


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _finish(event: RunEnded, calls: Sequence[ToolCall]) -> str:
    if calls:
        return "tool_calls"
    cut_off = {StopReason.MAX_STEPS, StopReason.MAX_TOKENS_EXCEEDED}
    return "length" if event.stop_reason in cut_off else "stop"


def _call_to_wire(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.tool_call_id, "type": "function", "function": function}


def usage_to_wire(event: RunEnded | RunHandedOver) -> dict[str, Any]:
    """The tokens of all steps of a run."""
    usage = event.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
