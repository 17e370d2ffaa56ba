"""What stands for messages that left the window, and how it is made. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.exchange import ModelSettings
    from remanence.core.types import Message

CompactionMode = Literal["sliding_window", "all", "self_compact_all", "self_compact_sliding_window"]
# Summaries of one level side by side in the window, before the oldest are folded into one above.
FAN_OUT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionSettings:
    """How an agent's history is compacted.

    `sliding_window_percentage` is the share (0..1) of the context window that history keeps;
    `clip_chars` bounds one summary; `model` None means: the agent's own model. `fan_out` is how
    many summaries of one level are folded into one above them, at least 2. `archive_facts`: what
    has left the window is read for facts, which become passages of archival memory.
    `archive_blocks`: labels of the blocks whose oldest, least used lines move to archival memory
    when they are nearly full.
    """

    mode: CompactionMode = "sliding_window"
    sliding_window_percentage: float = 0.3
    clip_chars: int | None = 50_000
    model: str | None = None
    prompt: str | None = None
    prompt_acknowledgement: bool = False
    fan_out: int = FAN_OUT
    model_settings: ModelSettings | None = None
    archive_facts: bool = False
    archive_blocks: tuple[str, ...] = ()


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
