"""What is told of a step once it is committed: ids, costs and times, never content.

Path: engine.settle -> `EngineDeps.watch`. On Lambda `aws/watch.py` makes a log line, metrics and
trace spans of it, elsewhere `log_step` a log line.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.core.step import Outcome
    from remanence.core.types import State
    from remanence.engine.meter import Meter, Span

log = logging.getLogger("remanence.step")

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """One committed step. `stop_reason` None: its run goes on. `step_ms` includes load and commit.

    `cache_share` is the part (0..1) of the prompt that the provider had cached. `ended_ns` is
    when it was committed, on the clock of `spans`.
    """

    run_id: str
    step_id: str
    step_no: int
    agent_id: str
    org_id: str
    conversation_id: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_share: float
    round_trips: int
    db_ms: float
    model_ms: float
    step_ms: float
    stop_reason: str | None
    error_type: str | None
    spans: tuple[Span, ...]
    ended_ns: int

    def fields(self) -> dict[str, str | int | float]:
        """What a log line says."""
        names = [name for name in self.__slots__ if name not in {"spans", "ended_ns"}]
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def seen_step(state: State, outcome: Outcome, meter: Meter) -> StepSeen:
    """What is told of a step that was begun with `state`."""
    usage, ended_ns = outcome.usage, meter.clock_ns()
    model_ns = sum(span.ended_ns - span.began_ns for span in meter.spans if span.name == "model")
    return StepSeen(
        run_id=state.run.id,
        step_id=outcome.ids.step_id,
        step_no=state.step_no,
        agent_id=state.agent.id,
        org_id=state.org_id,
        conversation_id=state.conversation.id,
        model=state.agent.model,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        cached_tokens=usage.cached_input_tokens,
        cache_share=round(usage.cached_input_tokens / max(usage.prompt_tokens, 1), 3),
        round_trips=meter.round_trips,
        db_ms=_ms(meter.db_ns),
        model_ms=_ms(model_ns),
        step_ms=_ms(ended_ns - meter.began_ns),
        stop_reason=outcome.stop_reason,
        error_type=outcome.error.type if outcome.error else None,
        spans=tuple(meter.spans),
        ended_ns=ended_ns,
    )


def log_step(seen: StepSeen) -> None:
    """One line, for a server whose log is text."""
    log.info("step %s", " ".join(f"{name}={value}" for name, value in seen.fields().items()))


def _ms(ns: int) -> float:
    return round(ns / _NS_PER_MS, 2)
