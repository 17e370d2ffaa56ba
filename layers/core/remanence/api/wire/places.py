"""Places in a run as single integers: `seq_id` on messages, `starting_after` when resuming.

Path: wire/sight.py numbers what it shows; routes/resume.py reads where a client stopped.
Nothing is stored for it. A whole message stands at its place in the conversation and the number
of its part. A fragment stands before the message it belongs to, at the count of characters that
were shown of it, so a client that stopped within a message gets exactly the rest of it. Pure.

A number is below 2**53 for the first 16 million messages of a conversation, so JavaScript reads
it exactly:

    24 bits  place of a message in the conversation
     1 bit   0: that message, whole    1: a fragment of the one after it
     8 bits                            two hex digits of its id: a step that was taken again has
                                       another message at the same place
    20 bits  number of the part        characters that were shown so far
"""

from collections.abc import Sequence
from typing import Any

from remanence.api.wire.speech import Speech
from remanence.core.exchange import ToolCall
from remanence.core.types import Message

_MESSAGE = 1 << 29
_FRAGMENT = 1 << 28
_CHARS = 1 << 20
# Characters of one message that are shown in fragments; the rest is shown when it is stored.
MOST_SHOWN_CHARS = _CHARS - 1
# No conversation has a message at a later place.
MAX_PLACE = (1 << 63) - 1

WireMessage = dict[str, Any]


def whole_place(seq: int, index: int) -> int:
    """The place of part `index` of the message at `seq`."""
    return seq * _MESSAGE + index


def left_out_place(seq: int, index: int, count: int) -> int:
    """The place of part `index` of `count`, shown whole after fragments of the others."""
    return whole_place(seq, count + index)


def fragment_place(seq: int, message_id: str, chars: int) -> int:
    """The place of a fragment of the message that will be stored at `seq`.

    `chars` counts what was shown of the message, this fragment included; at most MOST_SHOWN_CHARS.
    """
    mark = int(message_id[-2:], 16)
    return (seq - 1) * _MESSAGE + _FRAGMENT + mark * _CHARS + chars


def messages_after(place: int) -> int:
    """The `seq` after which messages may hold something that lies behind a place."""
    seq, within = divmod(place, _MESSAGE)
    return max(0, seq if within >= _FRAGMENT else seq - 1)


def rest_after(
    place: int, message: Message, wires: Sequence[WireMessage], speech: Speech
) -> list[WireMessage]:
    """What of a stored message lies behind a place.

    Args:
        place: where a client stopped.
        message: the stored message.
        wires: all of its wire messages, numbered.
        speech: what they were made with.
    """
    if _is_within(place, message) and _in_order_of_parts(message):
        return _cut(wires, place % _CHARS, speech)
    seq, number = divmod(place, _MESSAGE)
    if message.seq == seq and number >= len(wires):
        # Shown in fragments first, and then what fragments left out: see `left_out_place`.
        return [
            wire | {"seq_id": left_out_place(seq, index, len(wires))}
            for index, wire in enumerate(wires)
            if index > number - len(wires) and _fragment_chars(wire, speech) == 0
        ]
    return [wire for wire in wires if wire["seq_id"] is None or wire["seq_id"] > place]


def _is_within(place: int, message: Message) -> bool:
    """Whether a place is that of a fragment of this message."""
    seq, within = divmod(place, _MESSAGE)
    if within < _FRAGMENT or message.seq != seq + 1:
        return False
    return (within - _FRAGMENT) // _CHARS == int(message.id[-2:], 16)


def shown_chars(wire: WireMessage) -> int:
    """How many characters a fragment or a whole message shows; the head of a call counts as one."""
    match wire["message_type"]:
        case "assistant_message":
            return len(wire["content"])
        case "reasoning_message":
            return len(wire["reasoning"])
        case "tool_call_message" | "approval_request_message":
            return sum(_call_chars(call) for call in _calls(wire))
        case _:
            return 0


def _fragment_chars(wire: WireMessage, speech: Speech) -> int:
    """How many characters of a whole message are shown in fragments.

    None of speech that could not be read: that is shown as a call when it is stored.
    """
    is_call = wire["message_type"] == "tool_call_message"
    if is_call and speech.is_spoken(wire["tool_call"]["name"]):
        return 0
    return shown_chars(wire)


def _calls(wire: WireMessage) -> list[WireMessage]:
    calls: list[WireMessage] | WireMessage = wire["tool_calls"]
    return [calls] if isinstance(calls, dict) else calls


def _call_chars(call: WireMessage) -> int:
    return ("name" in call) + len(call.get("arguments") or "")


def _in_order_of_parts(message: Message) -> bool:
    """Whether the wire messages say things in the order in which they were streamed.

    Calls that wait are shown together, after all others.
    """
    waits = [part.waits for part in message.parts if isinstance(part, ToolCall)]
    return waits == sorted(waits)


def _cut(wires: Sequence[WireMessage], chars: int, speech: Speech) -> list[WireMessage]:
    """The wire messages without their first `chars` characters."""
    rest: list[WireMessage] = []
    for wire in wires:
        size = _fragment_chars(wire, speech)
        if chars <= 0 or size == 0:
            rest.append(wire)
        elif chars < size:
            rest += _rest_of(wire, chars)
        chars -= size
    return rest


def _rest_of(wire: WireMessage, chars: int) -> list[WireMessage]:
    match wire["message_type"]:
        case "assistant_message":
            return [wire | {"content": wire["content"][chars:]}]
        case "reasoning_message":
            return [wire | {"reasoning": wire["reasoning"][chars:]}]
        case _:
            return _rest_of_calls(wire, chars)


def _rest_of_calls(wire: WireMessage, chars: int) -> list[WireMessage]:
    """The call that was cut, as the fragment it is, and the calls after it."""
    rest: list[WireMessage] = []
    calls = _calls(wire)
    for number, call in enumerate(calls):
        size = _call_chars(call)
        if chars <= 0:
            later = calls[number:]
            rest.append(wire | {"tool_call": later[0], "tool_calls": later})
            break
        if chars < size:
            cut = {
                "arguments": call["arguments"][chars - 1 :],
                "tool_call_id": call["tool_call_id"],
            }
            rest.append(wire | {"tool_call": cut, "tool_calls": cut})
        chars -= size
    return rest
