"""The scheduled work: compact what is large, ring for what hangs, call back who was not told.

Path: functions/compact, or the ticker of a server -> sweep -> core.compaction -> store;
a caller who asks for it -> compact_now.
A summary is written outside any lease and committed only if the window has not moved and no step
is running: nobody waits for it, and nothing that arrived meanwhile is lost or covered unseen.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.compaction import (
    EXTRACTIVE,
    FAN_OUT,
    apply_eviction,
    evict,
    plan_cut,
    summaries_budget,
)
from remanence.core.context import compile_context
from remanence.core.summarize import again, finished, judge_summary, summary_request
from remanence.core.types import TokenAnchor
from remanence.engine.callback import call_back
from remanence.engine.points import Point
from remanence.engine.spend import asked
from remanence.errors import AgentBusy, AppError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.claims import Due
    from remanence.core.compaction import Cut
    from remanence.core.exchange import Reply, Request
    from remanence.core.ids import OrgId
    from remanence.core.types import CompactionSettings, State
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
    """What a sweep did: counts of conversations, and of callers who were told of a run's end."""

    rung: int = 0
    compacted: int = 0
    skipped: int = 0
    told: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What a compaction did: how many messages and summaries were in context, and are now.

    `summary` is what stands for everything before the window.
    """

    before: int
    after: int
    summary: str


def sweep(deps: EngineDeps, *, share: float, deadline: float) -> SweepReport:
    """Ring for hanging runs, compact conversations that are large, call back who was not reached.

    Args:
        deps: the world.
        share: of the context window, 0..1; above it a conversation is large.
        deadline: seconds of `time.monotonic`; nothing new is begun after it.
    """
    rung = compacted = skipped = told = 0
    due = deps.store.list_due(limit=SWEEP_LIMIT, hanging_after_ms=HANGING_AFTER_MS, share=share)
    for item in due:
        if deps.monotonic() >= deadline:
            break
        if item.kind == "hanging":
            deps.dispatcher.ring(item.org_id, item.conversation_id, "")
            rung += 1
            continue
        if item.kind == "callback":
            told += call_back(deps, item.org_id, item.run_id or "", deadline=deadline)
            continue
        try:
            done = compact(deps, item, deadline=deadline)
        except Exception as exc:  # one conversation that cannot be must not stop the others
            log.exception("conversation %s could not be compacted", item.conversation_id)
            if not isinstance(exc, StoreError):  # that passes by itself
                _put_off(deps, item)
            done = False
        compacted += done
        skipped += not done
    return SweepReport(rung=rung, compacted=compacted, skipped=skipped, told=told)


def _put_off(deps: EngineDeps, item: Due) -> None:
    """Leave a conversation alone until more is said in it: it would fail in every sweep."""
    with suppress(AppError):
        deps.store.put_off_compaction(item.org_id, item.conversation_id)


def compact(deps: EngineDeps, item: Due, *, deadline: float) -> bool:
    """Move the older part of a conversation out of its window, behind a summary.

    Returns:
        Whether it was written; False when there is nothing to move, a step is running, or the
        window moved meanwhile. Then the next sweep sees to it.
    """
    state = deps.store.peek_state(item.org_id, item.conversation_id)
    budget = int(state.agent.context_window_limit * KEEP_SHARE)
    if not plan_cut(state.window, budget).leaving:
        deps.store.put_off_compaction(item.org_id, item.conversation_id)
        return False
    return _compact(deps, state, budget, deadline) is not None


def compact_now(
    deps: EngineDeps,
    org_id: OrgId,
    conversation_id: str,
    settings: Callable[[CompactionSettings], CompactionSettings],
) -> Compacted:
    """Compact a conversation because a caller asks for it, however full it is.

    Mode `all` leaves the newest exchange in the window, `sliding_window` moves the share of the
    history out that the settings say.

    Args:
        deps: the world.
        org_id: of the caller.
        conversation_id: of the conversation.
        settings: what the caller changes of the agent's settings, for this time.

    Raises:
        NotFound: no such conversation.
        AgentBusy: a run is working in it, or wrote meanwhile; nothing was changed.
    """
    state = deps.store.peek_state(org_id, conversation_id)
    asked = settings(state.agent.compaction_settings)
    state = replace(state, agent=replace(state.agent, compaction_settings=asked))
    held = sum(message.tokens for message in state.window)
    share = 0.0 if asked.mode.endswith("all") else 1 - asked.sliding_window_percentage
    before = len(state.window) + len(state.summaries)
    if not plan_cut(state.window, int(held * share)).leaving:
        return Compacted(before=before, after=before, summary=_told(state))
    deadline = deps.monotonic() + deps.step_limit_s
    after = _compact(deps, state, int(held * share), deadline)
    if after is None:
        raise AgentBusy(conversation_id, state.run.id)
    left = len(after.window) + len(after.summaries)
    return Compacted(before=before, after=left, summary=_told(after))


def _told(state: State) -> str:
    return "\n\n".join(summary.text for summary in state.summaries)


def _compact(deps: EngineDeps, state: State, budget: int, deadline: float) -> State | None:
    """Leave `budget` tokens of history in the window; the state then, or None as `compact`."""
    cut = plan_cut(state.window, budget)
    if not cut.leaving:
        return None
    text, model = _summarise(deps, state, cut, deadline)
    eviction = evict(
        state,
        cut,
        text=text,
        model=model,
        now=deps.now(),
        new_id=lambda: deps.new_id("summary"),
    )
    after = apply_eviction(state, eviction)
    context = compile_context(after, deps.zones(state.agent.timezone))
    deps.reach(Point.BEFORE_COMPACTION)
    done = deps.store.commit_compaction(
        state,
        eviction,
        window_tokens=context.estimate_tokens,
        anchor=TokenAnchor(ratio=state.conversation.anchor.ratio),
    )
    deps.reach(Point.AFTER_COMPACTION)
    return after if done else None


def _summarise(deps: EngineDeps, state: State, cut: Cut, deadline: float) -> tuple[str | None, str]:
    """A model's summary of what leaves, or None: then the extractive one stands.

    One that drops too many names and numbers is asked for once more; what it still drops is
    named in a last line. At most two calls of the model.
    """
    request = summary_request(state, cut.leaving, deps.zones(state.agent.timezone))
    limit = min(deadline, deps.monotonic() + deps.step_limit_s)
    verdict = judge_summary(_ask(deps, state, request, limit), cut.leaving)
    if verdict.is_thin:
        second = judge_summary(_ask(deps, state, again(request, verdict), limit), cut.leaving)
        if second.text is not None and len(second.missing) < len(verdict.missing):
            verdict = second
    text = finished(verdict, summaries_budget(state) // FAN_OUT)
    return (text, request.handle) if text else (None, EXTRACTIVE)


def _ask(deps: EngineDeps, state: State, request: Request, deadline: float) -> Reply | None:
    try:
        return asked(deps, state, request, deadline)
    except AppError as error:
        log.warning("no summary from %s: %s", request.handle, error.code)
        return None
