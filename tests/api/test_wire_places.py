"""Places: they grow, and from each of them exactly the rest is seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from remanence.api.wire.messages import View
from remanence.api.wire.places import fragment_place, messages_after, whole_place
from remanence.api.wire.sight import Sight
from remanence.core.events import RunStarted, StepStarted, StepStored, Streamed
from remanence.core.exchange import (
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolReturn,
)
from remanence.core.types import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remanence.core.exchange import Delta, Part

NOW = datetime(2026, 11, 22, tzinfo=UTC)
STARTED = RunStarted(run_id="run-1", agent_id="agent-1", conversation_id="conv-1")
SAID = "message-00000000-0000-4000-8000-0000000000aa"
AGAIN = "message-00000000-0000-4000-8000-0000000000ab"
RETURNED = "message-00000000-0000-4000-8000-0000000000bb"
STEP = StepStarted(step_id="step-1", step_no=1, message_id=SAID, started_at=NOW)

PLAIN = st.text("ab é\u4e16", min_size=1, max_size=6)
ARGUMENTS = st.sampled_from(['{"q": "x"}', "{}", '{"message": "Hi \\u00e9"}'])


@st.composite
def replies(draw: st.DrawFn) -> tuple[Part, ...]:
    """A reply as models make them: thoughts, text, calls; some of the calls may wait."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(Reasoning(text=draw(PLAIN)))
    if draw(st.booleans()):
        parts.append(Text(text=draw(PLAIN)))
    names = draw(st.lists(st.sampled_from(["look", "send_message", "pay"]), max_size=4))
    parts += [
        ToolCall(
            tool_call_id=f"call-{number}", name=name, arguments=draw(ARGUMENTS), waits=name == "pay"
        )
        for number, name in enumerate(names)
    ]
    return tuple(parts) or (Text(text="x"),)


def message(parts: tuple[Part, ...], *, seq: int = 7, message_id: str = SAID) -> Message:
    waits = any(isinstance(part, ToolCall) and part.waits for part in parts)
    role = "approval" if waits else "assistant"
    return Message(id=message_id, role=role, parts=parts, created_at=NOW, seq=seq)


def stored(parts: tuple[Part, ...]) -> StepStored:
    returned = Message(
        id=RETURNED,
        role="tool",
        parts=(ToolReturn(tool_call_id="call-0", name="look", text="ok"),),
        created_at=NOW,
        seq=8,
    )
    said = message(parts)
    messages = (said,) if said.role == "approval" else (said, returned)
    return StepStored(step_id="step-1", messages=messages)


def fragments(parts: tuple[Part, ...], size: int) -> Iterable[Streamed]:
    for index, part in enumerate(parts):
        for delta in deltas(part, size):
            yield Streamed(
                step_id="step-1",
                message_id=SAID,
                seq=7,
                part_index=index,
                delta=delta,
                waits=isinstance(part, ToolCall) and part.waits,
            )


def deltas(part: Part, size: int) -> Iterable[Delta]:
    match part:
        case Text():
            yield from (TextDelta(text=piece) for piece in cut(part.text, size))
        case Reasoning():
            yield from (ReasoningDelta(text=piece) for piece in cut(part.text, size))
        case ToolCall():
            yield ToolCallDelta(tool_call_id=part.tool_call_id, name=part.name)
            for piece in cut(part.arguments, size):
                yield ToolCallDelta(tool_call_id=part.tool_call_id, arguments=piece)


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def seen(parts: tuple[Part, ...], size: int, *, tokens: bool) -> list[dict[str, Any]]:
    sight = Sight(View(), tokens=tokens)
    events = [STARTED, STEP, *fragments(parts, size), stored(parts)]
    return [wire for event in events for wire in sight.see(event)]


def joined(wires: Iterable[dict[str, Any]]) -> dict[Any, str]:
    """What a client has in the end: text by message and part, arguments by call."""
    texts: dict[Any, str] = {}
    for wire in wires:
        key = (wire["id"], wire["otid"], wire["message_type"])
        match wire["message_type"]:
            case "assistant_message":
                texts[key] = texts.get(key, "") + wire["content"]
            case "reasoning_message":
                texts[key] = texts.get(key, "") + wire["reasoning"]
            case "tool_return_message":
                texts[key] = texts.get(key, "") + wire["tool_return"]
            case _:
                calls = wire["tool_calls"]
                for call in calls if isinstance(calls, list) else [calls]:
                    of_call = (*key, call["tool_call_id"])
                    name = f"{call['name']} " if "name" in call else ""
                    texts[of_call] = texts.get(of_call, "") + name + (call.get("arguments") or "")
    return texts


def waiting_last(parts: tuple[Part, ...]) -> bool:
    waits = [part.waits for part in parts if isinstance(part, ToolCall)]
    return waits == sorted(waits)


@given(parts=replies(), size=st.integers(1, 5), tokens=st.booleans())
@settings(max_examples=200, deadline=None)
def test_places_grow_and_from_each_exactly_the_rest_is_seen(
    parts: tuple[Part, ...], size: int, tokens: bool
) -> None:
    everything = seen(parts, size, tokens=tokens)
    places = [wire["seq_id"] for wire in everything]

    assert places == sorted(set(places))
    for stop, place in enumerate(places, start=1):
        later = Sight(View(), tokens=False, after=place)
        rest = [wire for event in (STARTED, stored(parts)) for wire in later.see(event)]
        assert all(wire["seq_id"] > place for wire in rest)
        if waiting_last(parts):
            assert joined([*everything[:stop], *rest]) == joined(everything)


def test_place_before_everything_sees_all_and_after_everything_nothing() -> None:
    parts = (Text(text="Hello"), ToolCall(tool_call_id="call-0", name="look", arguments="{}"))
    everything = seen(parts, 9, tokens=False)

    def after(place: int) -> list[dict[str, Any]]:
        return Sight(View(), tokens=False, after=place).see(stored(parts))

    assert len(after(0)) == len(everything) == 3
    assert after(everything[-1]["seq_id"]) == []
    assert after(whole_place(9, 0)) == []


def test_fragment_of_a_reply_that_was_lost_is_followed_by_all_of_the_one_in_its_place() -> None:
    place = fragment_place(7, SAID, 3)
    later = Sight(View(), tokens=False, after=place)

    rest = later.see(
        StepStored(step_id="step-2", messages=(message((Text(text="Hello"),), message_id=AGAIN),))
    )

    assert [wire["content"] for wire in rest] == ["Hello"]


def test_places_name_the_messages_to_read_and_are_exact_in_javascript() -> None:
    assert messages_after(0) == 0
    assert messages_after(whole_place(7, 2)) == 6
    assert messages_after(fragment_place(7, SAID, 3)) == 6
    assert whole_place(6, 200) < fragment_place(7, SAID, 1) < whole_place(7, 0)
    assert whole_place(16_000_000, 255) < 2**53


def test_what_was_not_shown_still_counts() -> None:
    parts = (Reasoning(text="hm"), Text(text="Hello"))
    view = View(message_types=frozenset({"assistant_message"}))
    sight = Sight(view, tokens=True)
    events = [STARTED, STEP, *fragments(parts, 2)]
    shown = [wire for event in events for wire in sight.see(event)]

    later = Sight(view, tokens=False, after=shown[0]["seq_id"])
    rest = later.see(stored(parts))

    assert [wire["content"] for wire in (shown[0], *rest)] == ["He", "llo"]
