"""What stands for messages that left the window. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.types import Message

SummaryAuthor = Literal["step", "schedule", "caller", "import"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Text standing for the messages `from_seq`..`to_seq` (inclusive) that left the window.

    `level` 0 covers messages; above it, the summaries whose parent it is. `model` is the handle
    that wrote it, or "extractive" when code did; `is_stand_in`: code wrote it only because no
    model could be asked, so that the schedule writes it anew. `prompt_version` tells which prompt
    asked for it, `author` whose work it was part of.
    """

    id: str
    level: int
    from_seq: int
    to_seq: int
    text: str
    tokens: int
    model: str
    created_at: datetime
    is_stand_in: bool = False
    prompt_version: str | None = None
    author: SummaryAuthor = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A summary in view that no model has written yet, and what it stands for, oldest first.

    `messages` when its level is 0, `children` otherwise.
    """

    summary: Summary
    messages: tuple[Message, ...] = ()
    children: tuple[Summary, ...] = ()
