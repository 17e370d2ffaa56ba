"""Text that Postgres, JSON and providers all take: no NUL, no half of a surrogate pair. Pure.

Models write both now and then (an escape cut in two, a broken tokenizer), and one such character
must not keep a reply from being stored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from remanence.core.exchange import (
    Image,
    Reasoning,
    ReasoningDelta,
    Reply,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolReturn,
)

if TYPE_CHECKING:
    from remanence.core.exchange import Delta, Part


def clean_text(text: str) -> str:
    """`text` without NUL; halves of surrogate pairs are joined, lone ones become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "")


def clean_reply(reply: Reply) -> Reply:
    """A reply that can be stored and sent on, equal to `reply` if it can already."""
    return replace(reply, parts=tuple(_part(part) for part in reply.parts))


def _part(part: Part) -> Part:
    match part:
        case Text():
            return replace(part, text=clean_text(part.text))
        case Reasoning():
            return replace(part, text=clean_text(part.text))
        case ToolCall():
            return ToolCall(
                tool_call_id=clean_text(part.tool_call_id),
                name=clean_text(part.name),
                arguments=clean_text(part.arguments),
            )
        case ToolReturn():
            return replace(part, text=clean_text(part.text))
        case Image():
            return part
        case _:
            assert_never(part)


class DeltaCleaner:
    """Cleans the fragments of one reply; the first half of a pair waits for the second."""

    def __init__(self) -> None:
        self._kept = ""

    def clean(self, delta: Delta) -> Delta:
        """The fragment as it may be sent on; it may be empty."""
        match delta:
            case TextDelta():
                return TextDelta(text=self._joined(delta.text))
            case ReasoningDelta():
                return ReasoningDelta(text=self._joined(delta.text))
            case ToolCallDelta():
                return replace(delta, arguments=self._joined(delta.arguments))
            case _:
                assert_never(delta)

    def _joined(self, text: str) -> str:
        text = self._kept + text
        ends_open = bool(text) and "\ud800" <= text[-1] <= "\udbff"
        self._kept = text[-1] if ends_open else ""
        return clean_text(text[:-1] if ends_open else text)
