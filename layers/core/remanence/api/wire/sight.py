"""What a client sees of a run: engine events as wire messages, each numbered with its place.

Path: wire/stream.py -> Sight.see -> wire messages.
"""

from collections.abc import Sequence
from dataclasses import replace

from remanence.api.wire.compactions import compaction_to_wire
from remanence.api.wire.messages import Head, View, WireMessage, wires_of
from remanence.api.wire.places import (
    MOST_SHOWN_CHARS,
    fragment_place,
    left_out_place,
    rest_after,
    shown_chars,
    whole_place,
)
from remanence.api.wire.speech import GrowingText
from remanence.core.events import RunStarted, StepStarted, StepStored, Streamed, Waiting
from remanence.core.exchange import ReasoningDelta, TextDelta, ToolCallDelta
from remanence.core.types import Message


class Sight:
    """What a client sees of a run: whole messages, or fragments while they are made.

    `last` is the place of the last thing seen, None before the first.

    Invariants:
        Every part of a stored message is seen exactly once, whole or as all of its fragments.
        Places grow.
    """

    def __init__(self, view: View, *, tokens: bool, after: int = 0) -> None:
        """Look from a place on: what lies before `after` was seen by an earlier one."""
        self._view = view
        self._tokens = tokens
        self._after = after
        self.last: int | None = after or None
        self.run_id: str | None = None
        self._started: dict[str, StepStarted] = {}  # by message id
        self._chars: dict[str, int] = {}  # what was shown in fragments, by message id
        self._streamed: set[tuple[str, str]] = set()  # id and otid of what was seen as fragments
        self._full: set[str] = set()  # ids of messages of which no further fragment has a place
        self._growing: dict[tuple[str, int], GrowingText] = {}  # speech in a tool's arguments

    def see(
        self, event: RunStarted | StepStarted | Streamed | StepStored | Waiting
    ) -> list[WireMessage]:
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
                return self._compaction(event) + self._stored(event.messages)
            case Waiting():
                return []

    def _compaction(self, event: StepStored) -> list[WireMessage]:
        """The compaction of a step, unless something of that step was seen before."""
        if not self._view.compactions or not event.messages:
            return []
        if self._after >= whole_place(event.messages[0].seq or 0, 0):
            return []
        wires = compaction_to_wire(event, self.run_id)
        return [wire for wire in wires if self._view.shows(wire["message_type"])]

    def _stored(self, messages: Sequence[Message]) -> list[WireMessage]:
        """What was not streamed of the messages of a step; its notices are for the model only."""
        return [
            wire
            for message in messages
            if message.role not in ("user", "system")
            for wire in self._whole(replace(message, run_id=message.run_id or self.run_id))
            if self._view.shows(wire["message_type"])
        ]

    def _whole(self, message: Message) -> list[WireMessage]:
        wires = wires_of(message, self._view.speech)
        was_streamed = message.id in self._chars
        if message.seq is not None:
            places = [
                left_out_place(message.seq, index, len(wires))
                if was_streamed
                else whole_place(message.seq, index)
                for index in range(len(wires))
            ]
            for wire, place in zip(wires, places, strict=True):
                wire["seq_id"] = place
            self.last = max([self.last or 0, *places]) or None
        if message.id in self._full and message.seq is not None:
            shown = fragment_place(message.seq, message.id, self._chars.get(message.id, 0))
            return rest_after(shown, message, wires, self._view.speech)
        if was_streamed:
            return [wire for wire in wires if (wire["id"], wire["otid"]) not in self._streamed]
        return rest_after(self._after, message, wires, self._view.speech)

    def _fragment(self, event: Streamed) -> list[WireMessage]:
        started = self._started[event.message_id]
        head = Head(
            id=event.message_id,
            date=started.started_at,
            index=event.part_index,
            step_id=event.step_id,
            run_id=self.run_id,
        )
        wire = self._delta(event, head)
        if wire is None or shown_chars(wire) == 0:
            return []
        chars = self._chars.get(event.message_id, 0) + shown_chars(wire)
        if event.message_id in self._full or chars > MOST_SHOWN_CHARS:
            self._full.add(event.message_id)  # the rest comes when the message is stored
            return []
        self._chars[event.message_id] = chars
        wire["seq_id"] = self.last = fragment_place(event.seq, event.message_id, chars)
        self._streamed.add((wire["id"], wire["otid"]))
        return [wire] if self._view.shows(wire["message_type"]) else []

    def _delta(self, event: Streamed, head: Head) -> WireMessage | None:
        match event.delta:
            case TextDelta(text=text):
                return head.wire("assistant_message") | {"content": text}
            case ReasoningDelta(text=text):
                return head.wire("reasoning_message") | {
                    "source": "reasoner_model",
                    "reasoning": text,
                    "signature": None,
                }
            case ToolCallDelta() as delta if event.waits:
                # The calls of a request are one message, whose otid is its id.
                request = head.wire("approval_request_message") | {"otid": event.message_id}
                return request | _call_fragment(delta)
            case ToolCallDelta() as delta:
                return self._spoken(delta, head, (event.message_id, event.part_index))

    def _spoken(
        self, delta: ToolCallDelta, head: Head, place: tuple[str, int]
    ) -> WireMessage | None:
        speech = self._view.speech
        if delta.name is not None and speech.is_spoken(delta.name):
            self._growing[place] = GrowingText(speech.argument)
        growing = self._growing.get(place)
        if growing is not None:
            return head.wire("assistant_message") | {"content": growing.feed(delta.arguments)}
        return head.wire("tool_call_message") | _call_fragment(delta)


def _call_fragment(delta: ToolCallDelta) -> WireMessage:
    """A fragment of a call: absent keys are left out, and `tool_calls` is the same object."""
    call = {"tool_call_id": delta.tool_call_id}
    if delta.name is not None:
        call = {"name": delta.name, **call}
    if delta.arguments or delta.name is None:
        call = {"arguments": delta.arguments, **call}
    return {"tool_call": call, "tool_calls": call}
