"""Engine events as the protocol's answers: an SSE stream, or one response.

Path: engine.start -> Event -> Sight -> SSE bytes (to_sse) or one Answer (to_answer).
Order on the stream: ping, messages, stop_reason, usage_statistics, [DONE]. What goes wrong after
the first event can no longer be a status code: it is said in the stream.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from remanence.api.wire.messages import (
    Head,
    View,
    WireMessage,
    to_wire_all,
)
from remanence.api.wire.pace import paced
from remanence.api.wire.speech import GrowingText
from remanence.core.events import (
    Event,
    RunEnded,
    RunHandedOver,
    RunStarted,
    StepStarted,
    StepStored,
    Streamed,
)
from remanence.core.exchange import Delta, ReasoningDelta, TextDelta, ToolCallDelta
from remanence.core.ids import IdSource
from remanence.core.types import Message, StopReason

# What the retired server waited; API Gateway closes an idle stream after 300 s, proxies earlier.
KEEPALIVE_S = 20.0
DONE = b"data: [DONE]\n\n"
# A comment: every SSE client ignores it, every proxy sees traffic.
COMMENT = b": still working\n\n"
# Legal in JSON strings, but line ends to clients that split lines as Python's str does.
_LINE_ENDS = {"\u2028": "\\u2028", "\u2029": "\\u2029", "\u0085": "\\u0085"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What the caller asked of the stream, and the sources of its pings' times and ids."""

    view: View
    tokens: bool
    pings: bool
    now: Callable[[], datetime]
    new_id: IdSource
    keepalive_s: float = KEEPALIVE_S


def to_sse(events: Iterator[Event], options: StreamOptions) -> Iterator[bytes]:
    """The stream of a run: one chunk per event, keepalives while the model is silent.

    Args:
        events: of one run. It is read to its end even when nobody listens any more, so that
            a client that goes away does not stop the run.
        options: see StreamOptions.
    """
    sight = Sight(options.view, tokens=options.tokens)
    for event in paced(events, options.keepalive_s):
        match event:
            case None:
                yield _data(_ping(options, sight.run_id)) if options.pings else COMMENT
            case RunStarted():
                sight.see(event)
                if options.pings:
                    yield _data(_ping(options, sight.run_id))
            case RunEnded():
                yield from _ending(event)
                return
            case RunHandedOver():
                yield from _handed_over(event)
                return
            case _:
                yield from map(_data, sight.see(event))
    # The reader died: what is committed stands, the rest is for the sweep.
    yield _data(_stop_reason(StopReason.ERROR))
    yield from _error(sight.run_id, "stream_incomplete", "the run broke off unexpectedly")


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


class Sight:
    """What a client sees of a run: whole messages, or fragments while they are made.

    Invariants:
        Every part of a stored message is seen exactly once, whole or as all of its fragments.
    """

    def __init__(self, view: View, *, tokens: bool) -> None:
        self._view = view
        self._tokens = tokens
        self.run_id: str | None = None
        self._started: dict[str, StepStarted] = {}  # by message id
        self._streamed: set[tuple[str, str]] = set()  # id and otid of what was seen as fragments
        self._growing: dict[tuple[str, int], GrowingText] = {}  # speech in a tool's arguments

    def see(self, event: RunStarted | StepStarted | Streamed | StepStored) -> list[WireMessage]:
        """The wire messages that this event adds."""
        match event:
            case RunStarted():
                self.run_id = event.run_id
                return []
            case StepStarted():
                self._started[event.message_id] = event
                return []
            case Streamed():
                return self._fragment(event) if self._tokens else []
            case StepStored():
                return self._stored(event.messages)

    def _stored(self, messages: Sequence[Message]) -> list[WireMessage]:
        """What was not streamed of the messages of a step; its notices are for the model only."""
        said = [
            replace(message, run_id=message.run_id or self.run_id)
            for message in messages
            if message.role not in ("user", "system")
        ]
        return [
            wire
            for wire in to_wire_all(said, self._view)
            if (wire["id"], wire["otid"]) not in self._streamed
        ]

    def _fragment(self, event: Streamed) -> list[WireMessage]:
        started = self._started[event.message_id]
        place = (event.message_id, event.part_index)
        head = Head(
            id=event.message_id,
            date=started.started_at,
            index=event.part_index,
            step_id=event.step_id,
            run_id=self.run_id,
        )
        wire = self._delta(event.delta, head, place)
        if wire is None:
            return []
        self._streamed.add((wire["id"], wire["otid"]))
        return [wire] if self._view.shows(wire["message_type"]) else []

    def _delta(self, delta: Delta, head: Head, place: tuple[str, int]) -> WireMessage | None:
        match delta:
            case TextDelta():
                return head.wire("assistant_message") | {"content": delta.text}
            case ReasoningDelta():
                return head.wire("reasoning_message") | {
                    "source": "reasoner_model",
                    "reasoning": delta.text,
                    "signature": None,
                }
            case ToolCallDelta():
                return self._call_delta(delta, head, place)

    def _call_delta(
        self, delta: ToolCallDelta, head: Head, place: tuple[str, int]
    ) -> WireMessage | None:
        speech = self._view.speech
        if delta.name is not None and speech.is_spoken(delta.name):
            self._growing[place] = GrowingText(speech.argument)
        growing = self._growing.get(place)
        if growing is not None:
            text = growing.feed(delta.arguments)
            return head.wire("assistant_message") | {"content": text} if text else None
        call = {"tool_call_id": delta.tool_call_id}
        if delta.name is not None:
            call = {"name": delta.name, **call}
        if delta.arguments or delta.name is None:
            call = {"arguments": delta.arguments, **call}
        return head.wire("tool_call_message") | {"tool_call": call, "tool_calls": call}


def _ending(event: RunEnded) -> Iterator[bytes]:
    yield _data(_stop_reason(event.stop_reason))
    if event.error is not None:
        yield from _error(event.run_id, event.error.type, event.error.message)
        return
    if event.stop_reason is not StopReason.CANCELLED:
        yield _data(_usage(event))
    yield DONE


def _handed_over(event: RunHandedOver) -> Iterator[bytes]:
    """The stream ends and the run does not: there is no stop reason to tell."""
    return _error(event.run_id, "stream_incomplete", handed_over_message(event))


def handed_over_message(event: RunHandedOver) -> str:
    """What a caller is told whose run outlives its request."""
    return (
        f"this request ran out of time after {event.step_count} steps; the run goes on, "
        f"read it at /v1/runs/{event.run_id} and /v1/runs/{event.run_id}/messages"
    )


def _error(run_id: str | None, error_type: str, message: str) -> Iterator[bytes]:
    """A failure that the status can no longer tell; clients raise on the named event."""
    data = {
        "message_type": "error_message",
        "run_id": run_id,
        "error_type": error_type,
        "message": message,
        "detail": None,
        "seq_id": None,
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


def _ping(options: StreamOptions, run_id: str | None) -> WireMessage:
    # A ping is stored nowhere: it borrows the uuid of an id that is given to nothing else.
    unique = options.new_id("message").removeprefix("message-")
    head = Head(id=f"ping-{unique}", date=options.now(), run_id=run_id)
    return head.wire("ping") | {"otid": None}


def _data(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char, escaped in _LINE_ENDS.items():
        text = text.replace(char, escaped)
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
