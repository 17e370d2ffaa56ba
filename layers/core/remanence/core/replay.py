"""Compiling a past step's request again, out of its receipt and what is still kept.

Path: db.receipts.load_kept -> replay -> core.context.assemble, which made the request when it was
sent. Pure. What comes back is the same request byte for byte, or an error that says what is
missing: never a request that was not sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remanence.core.context import Ingredients, assemble
from remanence.core.exchange import ModelSettings, ToolSpec
from remanence.core.receipt import request_hash
from remanence.errors import NotReplayable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from remanence.core.exchange import Request
    from remanence.core.records import StepRecord
    from remanence.core.summaries import Summary
    from remanence.core.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A step, its receipt, and what the store still has of what the receipt names.

    `messages` are those of its span, `note` is what the step told the model about changes from
    outside, `snapshots` texts by their hash.
    """

    step: StepRecord
    conversation_id: str
    receipt: Mapping[str, Any]  # as stored: any version of this code may have written it
    messages: tuple[Message, ...]
    note: Message | None
    summaries: tuple[Summary, ...]
    snapshots: Mapping[str, str]


def replay(kept: Kept, zones: Callable[[str], tzinfo]) -> Request:
    """The request of a past step.

    Raises:
        NotReplayable: it asked no model, or something of what it was compiled from is gone or has
            been changed since.
    """
    if "request" not in kept.receipt:
        raise NotReplayable(kept.step.id, _why_there_is_none(kept))
    request = compiled(kept, zones)
    if request_hash(request) != kept.receipt["request"]:
        raise NotReplayable(
            kept.step.id,
            "what it was compiled from is still there, but something of it was changed since "
            "(a message, a summary, or the way requests are assembled)",
        )
    return request


def compiled(kept: Kept, zones: Callable[[str], tzinfo]) -> Request:
    """The request that a receipt leads to now, whether or not it is the one that was sent.

    Raises:
        NotReplayable: something that the receipt names is gone.
    """
    receipt = kept.receipt
    ingredients = Ingredients(
        handle=receipt["handle"],
        system=_snapshot(kept, "system", "its system prompt, erased with a block that was in it"),
        tools=tuple(
            ToolSpec(**spec)
            for spec in json.loads(_snapshot(kept, "tools", "the tools it offered"))
        ),
        summaries=_summaries(kept),
        can_expand=receipt.get("can_expand", False),
        window=_window(kept),
        tool_choice=receipt["tool_choice"],
        settings=ModelSettings(**receipt["settings"]),
        cache_key=kept.conversation_id,
        context_window_limit=receipt["context_window_limit"],
    )
    request, _ = assemble(ingredients, zones(receipt["timezone"]))
    return request


def _why_there_is_none(kept: Kept) -> str:
    if kept.receipt.get("asked") is False:
        return "it ran tool calls of an earlier reply, and asked no model"
    if kept.step.status != "success":
        return f"it ended as {kept.step.status}, before the model had answered"
    return "it was taken by a version whose receipts did not keep enough"


def _snapshot(kept: Kept, kind: str, what: str) -> str:
    body = kept.snapshots.get(kept.receipt[kind])
    if body is None:
        raise NotReplayable(kept.step.id, f"{what}, is no longer stored")
    return body


def _summaries(kept: Kept) -> tuple[Summary, ...]:
    found = {summary.id: summary for summary in kept.summaries}
    wanted: list[str] = kept.receipt["summaries"]
    missing = [summary_id for summary_id in wanted if summary_id not in found]
    if missing:
        raise NotReplayable(kept.step.id, f"summaries are no longer stored: {', '.join(missing)}")
    return tuple(found[summary_id] for summary_id in wanted)


def _window(kept: Kept) -> tuple[Message, ...]:
    """The messages that were in view, and the note behind them."""
    span: list[int] = kept.receipt["messages"]
    count = span[1] - span[0] + 1 if span else 0
    ends = [kept.messages[0].id, kept.messages[-1].id] if kept.messages else []
    if len(kept.messages) != count or ends != kept.receipt["message_ids"]:
        raise NotReplayable(
            kept.step.id, f"the {count} messages it had in view were deleted, in part or all"
        )
    if not kept.receipt.get("note"):
        return kept.messages
    if kept.note is None:
        raise NotReplayable(kept.step.id, "what it was told of changes from outside is not stored")
    return (*kept.messages, kept.note)
