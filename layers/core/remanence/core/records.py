"""What is kept about runs and steps: read by callers afterwards, by no step. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.callbacks import Callback
    from remanence.core.exchange import Usage
    from remanence.core.types import Run, StepStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run and how it went.

    `in_default_conversation`: it was asked of the agent itself, not of a named conversation.
    `error_message` says why it failed; `ttft_ns` is the time to the first fragment of a reply.
    `callback` is whom to tell of its end; what follows is how the last try went.
    """

    run: Run
    in_default_conversation: bool
    started_at: datetime | None = None
    error_message: str | None = None
    ttft_ns: int | None = None
    callback: Callback | None = None
    callback_sent_at: datetime | None = None
    callback_status_code: int | None = None
    callback_error: str | None = None

    @property
    def duration_ns(self) -> int | None:
        """From the claim to the last commit; None while it is not over."""
        if self.started_at is None or self.run.completed_at is None:
            return None
        return int((self.run.completed_at - self.started_at).total_seconds() * 1_000_000) * 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step and what it cost.

    `model` is a handle, `context_window_limit` in tokens. `feedback` is "positive", "negative"
    or None, `tags` are the caller's. `llm_ns` is the time in the model call, `step_ns` that of
    the whole step without its commit.
    """

    id: str
    run_id: str
    agent_id: str
    status: StepStatus
    model: str
    context_window_limit: int
    usage: Usage
    started_at: datetime
    created_at: datetime
    stop_reason: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    feedback: str | None = None
    tags: tuple[str, ...] = ()
    llm_ns: int | None = None
    step_ns: int | None = None
