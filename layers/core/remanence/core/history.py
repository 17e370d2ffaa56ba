"""Stored messages to the turns a model accepts, repaired where they would be refused.

Providers refuse a tool call without its return, a return without its call, an empty message and
arguments that are not a JSON object. Old servers stored such things, and an agent that meets one
must not be stuck on it for ever: each is mended in the request (never in the database), and the
step's receipt says so. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.exchange import Approval, Image, Reasoning, Text, ToolCall, ToolReturn, Turn
from remanence.core.mending import (
    IMAGE_BY_MODEL,
    sendable_call,
    sendable_image,
    sendable_thought,
)
from remanence.core.search_tools import pack_tool_return
from remanence.core.tokens import estimate_parts, estimate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from remanence.core.exchange import Part, StoredPart, TurnRole
    from remanence.core.types import Message

# The text of one message may not fill more of the window than this: a 2 MB paste must not end an
# agent. Its parts share the room.
LARGEST_MESSAGE_SHARE = 0.4
# The least one tool return may always show, in characters (what the retired server allowed).
TOOL_RETURN_FLOOR_CHARS = 5_000
TOOL_RETURN_SHARE = 0.2
CHARS_PER_TOKEN = 4  # of English; the floor above covers the scripts that are denser
# What the envelope of a tool return ({"status", "message", "time"}) takes.
ENVELOPE_TOKENS = 35
UNANSWERED = "This call was interrupted before it returned; its effects are unknown."
# Messages that a model wrote: its replies, and those whose calls wait for an approval.
BY_MODEL = frozenset({"assistant", "approval"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One thing that had to be mended: what, and in which message."""

    kind: str
    message_id: str


def turns_of(
    window: Sequence[Message], tz: tzinfo, context_window_tokens: int
) -> tuple[tuple[Turn, ...], tuple[Repair, ...]]:
    """The turns for a window of messages, oldest first.

    Args:
        window: stored messages in order; any sequence of them, also a broken one.
        tz: zone of the times inside tool returns.
        context_window_tokens: bounds what one part may fill.

    Returns:
        Turns that every provider accepts, and what was mended for that.

    Invariants:
        Every tool call is answered by exactly one return in the turn after it.
        No return stands without its call; no turn is empty; no two calls have the same id.
    """
    repairs: list[Repair] = []
    turns: list[Turn] = []
    used_ids: set[str] = set()
    place = 0
    while place < len(window):
        message = window[place]
        place += 1
        if _answers_calls(message):
            if message.role == "tool":
                repairs.append(Repair(kind="return without a call", message_id=message.id))
            continue
        turn, calls = _turn(message, context_window_tokens, used_ids, repairs)
        if turn is None:
            continue
        if is_note(message) and turns and turns[-1].role == "user":
            # The last word stays the user's: the note goes before what they said.
            turns[-1] = replace(turns[-1], parts=(*turn.parts, *turns[-1].parts))
            continue
        turns.append(turn)
        if calls:
            returned: list[Message] = []
            while place < len(window) and _answers_calls(window[place]):
                returned.append(window[place])
                place += 1
            turns.append(
                _returns(message, calls, returned, _ToolTimes(tz, context_window_tokens), repairs)
            )
    return tuple(turns), tuple(repairs)


def _answers_calls(message: Message) -> bool:
    """Whether a message is what follows a call: returns, or the response to a request for them."""
    if message.role == "tool":
        return True
    return message.role == "approval" and not any(
        isinstance(part, ToolCall) for part in message.parts
    )


@dataclass(frozen=True, slots=True)
class _ToolTimes:
    tz: tzinfo
    context_window_tokens: int

    def packed(self, answer: ToolReturn, message: Message, count: int) -> ToolReturn:
        """One of `count` returns as the model reads it, with the time of its message."""
        text = pack_tool_return(
            answer.text,
            answer.status,
            now=message.created_at,
            tz=self.tz,
            limit_chars=return_limit_chars(self.context_window_tokens, count),
        )
        return replace(answer, text=text)


def return_limit_chars(context_window_tokens: int, count: int) -> int:
    """How much of one of `count` returns the model sees, in characters: they share the room."""
    share = int(context_window_tokens * TOOL_RETURN_SHARE) * CHARS_PER_TOKEN
    return max(TOOL_RETURN_FLOOR_CHARS, share) // max(1, count)


def is_note(message: Message) -> bool:
    """Whether a message is a word of ours to the model: nobody said it, and no caller sees it."""
    return message.role == "system" and message.step_id is not None


def _turn(
    message: Message, context_window_tokens: int, used_ids: set[str], repairs: list[Repair]
) -> tuple[Turn | None, dict[str, ToolCall]]:
    """The turn of a message, if it says anything; and its calls as sent, by their stored ids."""
    limit = int(context_window_tokens * LARGEST_MESSAGE_SHARE) // max(1, len(message.parts))
    parts: list[Part] = []
    calls: dict[str, ToolCall] = {}
    for part in message.parts:
        if isinstance(part, ToolCall) and message.role in BY_MODEL:
            if part.tool_call_id in calls:
                repairs.append(Repair(kind="call out of place", message_id=message.id))
                continue
            sent = sendable_call(part, used_ids)
            used_ids.add(sent.tool_call_id)
            calls[part.tool_call_id] = sent
            parts.append(sent)
            repairs += _mended(part, sent, message)
            continue
        kept = _part(part, message, limit)
        if isinstance(kept, Repair):
            repairs.append(kept)
        elif kept is not None:
            parts.append(kept)
    while parts and isinstance(parts[-1], Reasoning):  # a thought that led to nothing
        parts.pop()
    if not parts:
        repairs.append(Repair(kind="empty message", message_id=message.id))
        return None, {}
    role: TurnRole = "assistant" if message.role in BY_MODEL else "user"
    return Turn(role=role, parts=tuple(parts), name=message.name), calls


def _mended(stored: ToolCall, sent: ToolCall, message: Message) -> list[Repair]:
    """What was wrong with a call."""
    kinds = {
        "arguments that are not JSON": stored.arguments.strip()
        and stored.arguments != sent.arguments,
        "name that is none": stored.name != sent.name,
        "call id that is used twice": stored.tool_call_id != sent.tool_call_id,
    }
    return [
        Repair(kind=kind, message_id=message.id) for kind, was_wrong in kinds.items() if was_wrong
    ]


def _part(part: StoredPart, message: Message, limit_tokens: int) -> Part | Repair | None:
    """The part as it may be sent, a repair that left it out, or None when it says nothing."""
    by_model = message.role in BY_MODEL
    match part:
        case Text():
            text = f"[System message] {part.text}" if message.role == "system" else part.text
            return Text(text=clipped(text, limit_tokens)) if part.text.strip() else None
        case Image():
            sent = sendable_image(part)
            if sent is None:
                return Repair(kind="image without content", message_id=message.id)
            return Text(text=IMAGE_BY_MODEL) if by_model else sent
        case Reasoning():
            return sendable_thought(part) if by_model else None
        case ToolCall():
            return Repair(kind="call out of place", message_id=message.id)
        case ToolReturn() | Approval():
            return Repair(kind="return out of place", message_id=message.id)


def _returns(
    message: Message,
    calls: Mapping[str, ToolCall],
    returned: Sequence[Message],
    times: _ToolTimes,
    repairs: list[Repair],
) -> Turn:
    """One tool turn that answers each call once, in the order of the calls."""
    answers: dict[str, ToolReturn] = {}
    for tool_message in returned:
        for part in tool_message.parts:
            if not isinstance(part, ToolReturn):
                continue
            if part.tool_call_id not in calls or part.tool_call_id in answers:
                repairs.append(Repair(kind="return without a call", message_id=tool_message.id))
                continue
            answers[part.tool_call_id] = times.packed(part, tool_message, len(calls))
    for call in calls:
        if call not in answers:
            repairs.append(Repair(kind="call without a return", message_id=message.id))
            answers[call] = times.packed(_unanswered(calls[call]), message, len(calls))
    return Turn(
        role="tool",
        parts=tuple(
            replace(answers[stored_id], tool_call_id=sent.tool_call_id, name=sent.name)
            for stored_id, sent in calls.items()
        ),
    )


def _unanswered(call: ToolCall) -> ToolReturn:
    return ToolReturn(
        tool_call_id=call.tool_call_id, name=call.name, status="error", text=UNANSWERED
    )


def message_tokens(message: Message, context_window_tokens: int) -> int:
    """About how many tokens a stored message takes in a request.

    Out of what was estimated when it was stored: nothing is read again, so a step's cost does not
    grow with the length of its window's texts.
    """
    estimate = message.tokens or estimate_parts(message.parts)
    returns = sum(1 for part in message.parts if isinstance(part, ToolReturn))
    if estimate > context_window_tokens * LARGEST_MESSAGE_SHARE:
        estimate = _clipped_tokens(message, context_window_tokens)
    return estimate + returns * ENVELOPE_TOKENS


def _clipped_tokens(message: Message, context_window_tokens: int) -> int:
    """What is left of a message that is clipped: its texts and returns have limits."""
    count = max(1, len(message.parts))
    text_limit = int(context_window_tokens * LARGEST_MESSAGE_SHARE) // count
    return_limit = return_limit_chars(context_window_tokens, count) // 2
    total = 0
    for part in message.parts:
        size = estimate_parts((part,))
        if isinstance(part, Text):
            size = min(size, text_limit)
        elif isinstance(part, ToolReturn):
            size = min(size, return_limit)
        total += size
    return total


def clipped(text: str, limit_tokens: int) -> str:
    """`text`, or its beginning and end with a note between, when it is over `limit_tokens`."""
    # Most texts are far below: a text of n characters has at most about n tokens.
    if len(text) <= limit_tokens or (size := estimate_text(text)) <= limit_tokens:
        return text
    keep = int(len(text) * limit_tokens / size)
    head, tail = keep * 2 // 3, keep // 3
    left_out = len(text) - head - tail
    note = f"\n[... {left_out} characters are left out here; they are kept in recall memory ...]\n"
    return text[:head] + note + text[len(text) - tail :]
