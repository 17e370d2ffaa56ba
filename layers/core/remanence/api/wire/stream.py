"""Engine events as the protocol's answers: an SSE stream, or one response.

Path: engine.attend, engine.follow -> Event -> Sight -> SSE bytes (to_sse) or one Answer
(to_answer).
Order on the stream: ping, messages, stop_reason, usage_statistics, [DONE]. What goes wrong after
the first event can no longer be a status code: it is said in the stream.
"""

import json
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remanence.api.wire.messages import Head, View, WireMessage
from remanence.api.wire.pace import paced
from remanence.api.wire.sight import Sight
from remanence.core.events import Event, RunEnded, RunHandedOver, RunStarted
from remanence.core.ids import IdSource
from remanence.core.types import StopReason

# What the retired server waited; API Gateway closes an idle stream after 300 s, proxies earlier.
KEEPALIVE_S = 20.0
DONE = b"data: [DONE]\n\n"
# A comment: every SSE client ignores it, every proxy sees traffic.
COMMENT = b": still working\n\n"
# Legal in JSON strings, but line ends to clients that split lines as Python's str does.
_LINE_ENDS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\u0085": "\\u0085"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What the caller asked of the stream, and the sources of its pings' times and ids.

    `after` is the place (wire/places.py) behind which it begins.
    """

    view: View
    tokens: bool
    pings: bool
    now: Callable[[], datetime]
    new_id: IdSource
    after: int = 0
    keepalive_s: float = KEEPALIVE_S


async def to_sse(events: Generator[Event], options: StreamOptions) -> AsyncGenerator[bytes]:
    """The stream of a run: one chunk per event, keepalives while the model is silent.

    Args:
        events: of one run. They are closed when nobody listens any more: the engine then sees
            that a client that goes away does not stop the run.
        options: see StreamOptions.
    """
    sight = Sight(options.view, tokens=options.tokens, after=options.after)
    async with aclosing(paced(events, options.keepalive_s)) as beats:
        async for event in beats:
            for chunk in _chunks(event, sight, options):
                yield chunk
            if isinstance(event, RunEnded | RunHandedOver):
                return
    # The reader died: what is committed stands, the rest is for the sweep.
    yield _data(_stop_reason(StopReason.ERROR))
    for chunk in _error(sight, "stream_incomplete", "the run broke off unexpectedly"):
        yield chunk


def _chunks(event: Event | None, sight: Sight, options: StreamOptions) -> Iterator[bytes]:
    match event:
        case None:
            yield _data(_ping(options, sight)) if options.pings else COMMENT
        case RunStarted():
            sight.see(event)
            if options.pings:
                yield _data(_ping(options, sight))
        case RunEnded():
            yield from _ending(event, sight)
        case RunHandedOver():
            # The stream ends and the run does not: there is no stop reason to tell.
            yield from _error(sight, "stream_incomplete", handed_over_message(event))
        case _:
            yield from map(_data, sight.see(event))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A run that is not streamed: what was said, and how it ended."""

    messages: list[WireMessage]
    ended: RunEnded | RunHandedOver

    def to_wire(self, ended: RunEnded) -> dict[str, Any]:
        """The response of a run that is over."""
        return {
            "messages": self.messages,
            "stop_reason": _stop_reason(ended.stop_reason),
            "usage": _usage(ended),
            "logprobs": None,
            "turns": None,
        }


def to_answer(events: Iterable[Event], view: View) -> Answer:
    """Read a run to its end."""
    sight = Sight(view, tokens=False)
    messages: list[WireMessage] = []
    for event in events:
        if isinstance(event, RunEnded | RunHandedOver):
            return Answer(messages=messages, ended=event)
        messages += sight.see(event)
    raise RuntimeError("the engine ended a run without saying how")


def _ending(event: RunEnded, sight: Sight) -> Iterator[bytes]:
    yield _data(_stop_reason(event.stop_reason))
    if event.error is not None:
        yield from _error(sight, event.error.type, event.error.message)
        return
    if event.stop_reason is not StopReason.CANCELLED:
        yield _data(_usage(event))
    yield DONE


def handed_over_message(event: RunHandedOver) -> str:
    """What a caller is told whose run outlives its request."""
    return (
        f"this request ran out of time after {event.step_count} steps; the run goes on, "
        f"follow it at POST /v1/runs/{event.run_id}/stream or read it at /v1/runs/{event.run_id}"
    )


def _error(sight: Sight, error_type: str, message: str) -> Iterator[bytes]:
    """A failure that the status can no longer tell; clients raise on the named event."""
    data = {
        "message_type": "error_message",
        "run_id": sight.run_id,
        "error_type": error_type,
        "message": message,
        "detail": None,
        "seq_id": sight.last,
    }
    yield b"event: error\n" + _data(data)
    yield DONE


def _stop_reason(reason: StopReason) -> dict[str, Any]:
    return {"message_type": "stop_reason", "stop_reason": reason.value}


def _usage(event: RunEnded) -> dict[str, Any]:
    usage = event.usage
    return {
        "message_type": "usage_statistics",
        "completion_tokens": usage.completion_tokens,
        "prompt_tokens": usage.prompt_tokens,
        "total_tokens": usage.total_tokens,
        "step_count": event.step_count,
        "run_ids": None,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "context_tokens": event.context_tokens,
    }


def _ping(options: StreamOptions, sight: Sight) -> WireMessage:
    # A ping is stored nowhere: it borrows the uuid of an id that is given to nothing else.
    unique = options.new_id("message").removeprefix("message-")
    head = Head(id=f"ping-{unique}", date=options.now(), run_id=sight.run_id)
    return head.wire("ping") | {"otid": None, "seq_id": sight.last}


def _data(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char, escaped in _LINE_ENDS.items():
        text = text.replace(char, escaped)
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
