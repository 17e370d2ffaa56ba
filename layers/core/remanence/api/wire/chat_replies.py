"""A run as OpenAI's chat completion: whole, or in chunks.

Path: engine events -> Telling -> completion or chunks -> the client. Its own tools an agent runs
unseen; what it says in several messages is one reply.
"""

import json
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

from remanence.api.wire.messages import View
from remanence.api.wire.pace import paced
from remanence.api.wire.sight import Sight
from remanence.api.wire.stream import COMMENT, DONE, KEEPALIVE_S, handed_over_message
from remanence.core.events import Event, RunEnded, RunHandedOver, StepStored
from remanence.core.exchange import ToolCall
from remanence.core.types import StopReason

_SPOKEN = frozenset({"assistant_message"})
_CHUNK = "chat.completion.chunk"


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
