"""The scheduled work: compact what is large, ring for what hangs.

Path: functions/compact, or the ticker of a server -> sweep -> core.compaction -> store.
A summary is written outside any lease and committed only if the window has not moved and no step
is running: nobody waits for it, and nothing that arrived meanwhile is lost or covered unseen.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.core.compaction import EXTRACTIVE, apply_eviction, evict, plan_cut
from remanence.core.context import compile_context
from remanence.core.exchange import Reply
from remanence.core.summarize import accept_summary, summary_request
from remanence.core.types import TokenAnchor
from remanence.engine.points import Point
from remanence.errors import AppError

if TYPE_CHECKING:
    from remanence.core.claims import Due
    from remanence.core.compaction import Cut
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# What one sweep looks at; the next one takes the rest.
SWEEP_LIMIT = 50
# A run is hanging when nobody holds its conversation this long after it was asked for.
HANGING_AFTER_MS = 5_000
# The share of the context window that history keeps after a compaction ahead of need.
KEEP_SHARE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did: counts of conversations."""

    rung: int = 0
    compacted: int = 0
    skipped: int = 0


def sweep(deps: EngineDeps, *, share: float, deadline: float) -> SweepReport:
    """Ring for hanging runs, and compact conversations that fill more than `share` of a window.

    Args:
        deps: the world.
        share: of the context window, 0..1.
        deadline: seconds of `time.monotonic`; nothing new is begun after it.
    """
    rung = compacted = skipped = 0
    due = deps.store.list_due(limit=SWEEP_LIMIT, hanging_after_ms=HANGING_AFTER_MS, share=share)
    for item in due:
        if deps.monotonic() >= deadline:
            break
        if item.kind == "hanging":
            deps.dispatcher.ring(item.org_id, item.conversation_id, "")
            rung += 1
            continue
        try:
            done = compact(deps, item, deadline=deadline)
        except Exception:  # one conversation that cannot be compacted must not stop the others
            log.exception("conversation %s could not be compacted", item.conversation_id)
            done = False
        compacted += done
        skipped += not done
    return SweepReport(rung=rung, compacted=compacted, skipped=skipped)


def compact(deps: EngineDeps, item: Due, *, deadline: float) -> bool:
    """Move the older part of a conversation out of its window, behind a summary.

    Returns:
        Whether it was written; False when there is nothing to move, a step is running, or the
        window moved meanwhile. Then the next sweep sees to it.
    """
    state = deps.store.peek_state(item.org_id, item.conversation_id)
    budget = int(state.agent.context_window_limit * KEEP_SHARE)
    cut = plan_cut(state.window, budget)
    if not cut.leaving:
        return False
    text, model = _summarise(deps, state, cut, deadline)
    eviction = evict(
        state,
        cut,
        text=text,
        model=model,
        now=deps.now(),
        new_id=lambda: deps.new_id("summary"),
    )
    after = compile_context(apply_eviction(state, eviction), deps.zones(state.agent.timezone))
    deps.reach(Point.BEFORE_COMPACTION)
    done = deps.store.commit_compaction(
        state,
        eviction,
        window_tokens=after.estimate_tokens,
        anchor=TokenAnchor(ratio=state.conversation.anchor.ratio),
    )
    deps.reach(Point.AFTER_COMPACTION)
    return done


def _summarise(deps: EngineDeps, state: State, cut: Cut, deadline: float) -> tuple[str | None, str]:
    """A model's summary of what leaves, or None: then the extractive one stands."""
    request = summary_request(state, cut.leaving, deps.zones(state.agent.timezone))
    limit = min(deadline, deps.monotonic() + deps.step_limit_s)
    try:
        replies = deps.models.call(request, stream=False, deadline=limit)
        reply = next((item for item in replies if isinstance(item, Reply)), None)
    except AppError as error:
        log.warning("no model summary for %s: %s", state.conversation.id, error.code)
        return None, EXTRACTIVE
    text = accept_summary(reply, cut.leaving) if reply else None
    return (text, request.handle) if text else (None, EXTRACTIVE)
