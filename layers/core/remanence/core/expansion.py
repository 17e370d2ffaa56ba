"""From a summary in view down to the words: what `expand` asks for, and how it reads.

Path: core.calls.read_calls -> read_expand -> (engine.lookups asks the database) ->
render_expansion. Pure. A handle is a span of places in the conversation, as the prompt shows it
before each summary ("[messages 1-40]"); what a page leaves out is a span again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.core.dates import timestamp
from remanence.core.exchange import ToolCall
from remanence.core.search_tools import (
    BUDGET_TOKENS,
    MAX_RESULTS,
    content_of,
    json_list,
    json_text,
)
from remanence.core.tokens import estimate_text
from remanence.core.types import Message

if TYPE_CHECKING:
    from datetime import tzinfo

    from remanence.core.exchange import JsonObject
    from remanence.core.summaries import Summary

_SPAN = re.compile(
    r"\[?\s*(?:messages?\s+)?(\d{1,15})(?:\s*[-\u2013]\s*(\d{1,15}))?\s*\]?", re.IGNORECASE
)
_SUMMARY_ID = re.compile(r"summary-[\w-]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expand:
    """A wish to see what stands behind a summary of this conversation.

    Either `summary_id` or both ends of a span of places, inclusive. At most `limit` results;
    `budget_tokens`: of those, what fits; None: all.
    """

    tool_call_id: str
    summary_id: str | None = None
    from_seq: int | None = None
    to_seq: int | None = None
    limit: int = MAX_RESULTS
    budget_tokens: int | None = BUDGET_TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """What stands behind a span, oldest first: summaries that cover it whole, or its messages.

    The span is as it was asked for, without what is in view: the messages from
    `window_from_seq` on. `messages` may be fewer than the span holds.
    """

    from_seq: int
    to_seq: int
    window_from_seq: int
    summaries: tuple[Summary, ...] = ()
    messages: tuple[Message, ...] = ()


def read_expand(call: ToolCall, arguments: JsonObject) -> Expand | str:
    """What a call of conversation_search with `expand` asks for; a text: why it cannot be read.

    Args:
        call: the call.
        arguments: as `read_arguments` made them; `expand` is a text with something in it.
    """
    handle = str(arguments.get("expand")).strip()
    asked = arguments.get("limit")
    limit, budget = MAX_RESULTS, BUDGET_TOKENS if not isinstance(asked, int) else None
    if isinstance(asked, int):
        limit = min(max(asked, 1), MAX_RESULTS)
    if _SUMMARY_ID.fullmatch(handle):
        return Expand(
            tool_call_id=call.tool_call_id, summary_id=handle, limit=limit, budget_tokens=budget
        )
    span = _SPAN.fullmatch(handle)
    if span is None:
        return (
            f"expand `{handle[:80]}` names no summary. Give the span that stands before a summary "
            'in your view: for "[messages 1-40]" it is "1-40".'
        )
    start, end = int(span[1]), int(span[2] or span[1])
    if start > end:
        return f"expand `{handle}` ends before it begins. Write the smaller number first."
    return Expand(
        tool_call_id=call.tool_call_id,
        from_seq=start,
        to_seq=end,
        limit=limit,
        budget_tokens=budget,
    )


def render_expansion(wanted: Expand, found: Expansion | None, tz: tzinfo) -> str:
    """What the call returns: the shape of conversation_search, oldest first.

    Args:
        wanted: what was asked for.
        found: what stands there; None: the conversation has no such summary.
        tz: of the timestamps.

    Invariants:
        Pages follow each other: a page says how to ask for the next one, and together they show
        everything once.
    """
    if found is None:
        return _nothing("There is no such summary in this conversation.")
    if found.from_seq > found.to_seq:
        return _nothing(
            f"The messages from {found.window_from_seq} on are in your view: nothing to expand."
        )
    shown = found.summaries or found.messages
    if not shown:
        return _nothing(f"Messages {found.from_seq}-{found.to_seq} do not exist, or no longer.")
    lines: list[str] = []
    left = wanted.budget_tokens
    until = found.from_seq - 1
    for item in shown[: wanted.limit]:
        line, end = _line(item, tz, is_alone=found.from_seq == found.to_seq)
        if left is not None and lines and estimate_text(line) > left:
            break
        left = None if left is None else left - estimate_text(line)
        until = end
        if line:
            lines.append(line)
    if len(shown) <= wanted.limit and until == _end_of(shown[-1]) and not _is_cut(found):
        until = found.to_seq  # places without a message do not make another page
    return f'{{"message": {json_text(_told(found, until))}, "results": {json_list(lines)}}}'


# How many messages are read for one page; a longer span goes on from there.
PAGE_MESSAGES = MAX_RESULTS + 1


def _is_cut(found: Expansion) -> bool:
    return len(found.messages) >= PAGE_MESSAGES


def _told(found: Expansion, until: int) -> str:
    what = "summaries" if found.summaries else "messages"
    said = f"Showing the {what} of {found.from_seq}-{until}, oldest first."
    if found.summaries:
        said += " Expand one of them to read on."
    if until < found.to_seq:
        said += f' For the rest: expand="{until + 1}-{found.to_seq}".'
    return said


def _nothing(message: str) -> str:
    return f'{{"message": {json_text(message)}, "results": []}}'


def _end_of(item: Summary | Message) -> int:
    return (item.seq or 0) if isinstance(item, Message) else item.to_seq


def _line(item: Summary | Message, tz: tzinfo, *, is_alone: bool) -> tuple[str, int]:
    """An item as it is shown (empty: there is nothing to show of it), and its last place."""
    if not isinstance(item, Message):
        shown: JsonObject = {
            "expand": f"{item.from_seq}-{item.to_seq}",
            "summary": item.text,
        }
        return json_text(shown), item.to_seq
    said = _words(item, is_alone=is_alone)
    line: JsonObject = {
        "place": item.seq,
        "timestamp": timestamp(item.created_at, tz),
        "role": item.role,
        "content": said,
    }
    return json_text(line) if said else "", item.seq or 0


def _words(message: Message, *, is_alone: bool) -> str:
    """What was said and called; all of it, when the message was asked for alone."""
    said = content_of(message, limit_chars=None) if is_alone else content_of(message)
    calls = [
        f"called {part.name}({part.arguments})"
        for part in message.parts
        if isinstance(part, ToolCall) and part.name != "conversation_search"
    ]
    return "\n".join([*([said] if said else []), *calls])
