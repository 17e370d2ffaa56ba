"""Outcomes that end a run without a reply: cancelled, given up, failed.

Path: engine.step and engine.settle make these; they change nothing but the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.step import Outcome, StepError, StepIds, failed
from remanence.core.types import StopReason
from remanence.errors import (
    AppError,
    CapReached,
    ContextOverflow,
    ProviderBadReply,
    ProviderQuota,
    ProviderTooLong,
    StoreError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps


def cancelled(state: State, ids: StepIds, now: datetime) -> Outcome:
    """Somebody asked the run to stop: what was committed stays."""
    return failed(state, None, ids=ids, now=now, stop_reason=StopReason.CANCELLED, error=None)


def poisoned(state: State, ids: StepIds, now: datetime) -> Outcome:
    """The step has cost too many workers their lives."""
    message = f"this step was begun {state.conversation.claims - 1} times, and no worker ended it"
    error = StepError(type="poisoned_step", message=message)
    return failed(state, None, ids=ids, now=now, stop_reason=StopReason.ERROR, error=error)


def internal(error: Exception) -> AppError:
    """A fault of ours, by its kind: its words may hold anything."""
    return AppError(f"internal error ({type(error).__name__})")


def failed_by(error: AppError, state: State, ids: StepIds, deps: EngineDeps) -> Outcome:
    """The step could not be taken, or what it came to could not be stored."""
    match error:
        case ContextOverflow() | ProviderTooLong():
            reason = StopReason.CONTEXT_WINDOW_OVERFLOW
        case ProviderQuota() | CapReached():
            reason = StopReason.INSUFFICIENT_CREDITS
        case ProviderBadReply():
            reason = StopReason.INVALID_LLM_RESPONSE
        case StoreError():
            reason = StopReason.ERROR
        case _ if error.code == AppError.code:
            reason = StopReason.ERROR
        case _:
            reason = StopReason.LLM_API_ERROR
    return failed(
        state,
        None,
        ids=ids,
        now=deps.now(),
        stop_reason=reason,
        error=StepError(type=error.code, message=error.message),
    )
