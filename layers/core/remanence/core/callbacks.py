"""Telling a caller that its run is over: whom, what is said, and when to try again. Pure.

Path: engine.callback -> here -> dispatch.callback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.exchange import JsonObject

# How long to wait before each further try, in seconds; after the last one nobody tries again.
PAUSES_S = (10, 60, 300, 1800)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """Whom to tell, and how, when a run is over."""

    url: str
    method: Literal["POST", "PUT"] = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCallback:
    """A callback that somebody has taken on. `tries` counts this one."""

    callback: Callback
    tries: int
    run_id: str
    status: str
    stop_reason: str | None
    completed_at: datetime | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackAnswer:
    """What came of a try. `is_final`: another one would end the same way."""

    status_code: int | None = None
    error: str | None = None
    is_final: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the caller knows now."""
        return self.status_code is not None and 200 <= self.status_code < 300


def callback_body(due: DueCallback) -> JsonObject:
    """What is said: the protocol's four keys."""
    completed_at = due.completed_at
    metadata: JsonObject = {"run_type": "send_message", "stop_reason": due.stop_reason}
    if due.error_message is not None:
        metadata["error"] = due.error_message
    return {
        "run_id": due.run_id,
        "status": due.status,
        "completed_at": None if completed_at is None else completed_at.isoformat(),
        "metadata": metadata,
    }


def pause_after(due: DueCallback, answer: CallbackAnswer) -> int | None:
    """Seconds until the next try; None when there is none."""
    if answer.is_done or answer.is_final or due.tries > len(PAUSES_S):
        return None
    return PAUSES_S[due.tries - 1]
