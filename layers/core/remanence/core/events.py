"""What happens during a run, as values: the engine yields them, `api/wire` puts them on the wire.

Order: RunStarted, then per step StepStarted, Streamed ... (only when tokens are streamed),
StepStored, and one RunEnded (or RunHandedOver) last. What StepStored carries is committed; what
was only Streamed may be taken back by a failure of its step. Of a run that is followed there are
no StepStarted and Streamed, but a Waiting at each look that finds nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from remanence.core.types import RunOptions

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.exchange import Delta, Usage
    from remanence.core.summaries import Summary
    from remanence.core.types import Message, StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The input is stored, and the conversation claimed or the run queued. `options`: as asked."""

    run_id: str
    agent_id: str
    conversation_id: str
    options: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A model call begins; its reply will be stored as the message `message_id`."""

    step_id: str
    step_no: int
    message_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """A fragment of the reply, which will be stored at place `seq` of the conversation.

    `part_index` counts the parts of the message, from 0. `waits`: it belongs to a call of a tool
    whose calls are answered before they run.
    """

    step_id: str
    message_id: str
    seq: int
    part_index: int
    delta: Delta
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """A step found its window of `context_window` tokens full: `summary` stands for what left."""

    summary: Summary
    context_window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStored:
    """A step was committed with these messages (assistant first, then the tool returns)."""

    step_id: str
    messages: tuple[Message, ...]
    compaction: Compacted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Nothing new for now: the run is queued, or another worker is at its step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a run failed: the `code` of an error of errors.py, and its message."""

    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run is over; `usage` and `step_count` are the whole run's.

    `context_tokens` is the size of the last request as the provider counted it.
    """

    run_id: str
    stop_reason: StopReason
    usage: Usage
    step_count: int
    context_tokens: int | None = None
    error: RunError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHandedOver:
    """The run goes on elsewhere, and this worker has no time left to take or follow its steps.

    What follows can be read from the run (`/v1/runs/{run_id}/stream`). `usage` is until now.
    """

    run_id: str
    usage: Usage
    step_count: int


Event: TypeAlias = (
    RunStarted | StepStarted | Streamed | StepStored | Waiting | RunHandedOver | RunEnded
)
