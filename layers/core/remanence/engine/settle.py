"""Committing a step, whatever others do meanwhile.

Path: engine.step.take_step -> settle -> core.step -> store. A block that somebody else was faster
to edit, a run that was cancelled, a database that is away or refuses: each has its answer here,
and none of them asks the model again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from remanence.core.claims import BlocksMoved, Cancelled, Committed
from remanence.core.events import Compacted, RunEnded, RunError, StepStored
from remanence.core.step import Outcome, StepError, StepIds, advance, dated, failed
from remanence.core.types import StopReason
from remanence.engine.endings import cancelled, failed_by, internal
from remanence.engine.points import Point
from remanence.engine.watch import seen_step
from remanence.errors import LeaseLost, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from remanence.core.events import Event
    from remanence.core.plan import Plan
    from remanence.core.types import Block, State
    from remanence.engine.ask import Terms
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# How often a step is applied again to blocks that others changed while it thought. From the second
# time on it holds them, and can only lose to a block that is attached or detached meanwhile.
CONFLICT_TRIES = 10
# How long a commit waits before it is tried again, in seconds: a connection that was cut is there
# again at once, a server that restarts within seconds.
FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a step has left its run.

    `state` is what the next step begins with; None when the run is over. `handed_over`: that step
    is somebody else's. `more`: there is something to ring for in this conversation.
    """

    state: State | None
    more: bool
    handed_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """All of a step but its commit: `apply` gives the outcome for a plan, as often as asked."""

    plan: Plan
    apply: Callable[[Plan], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A commit that was answered. `plan` has the blocks that the outcome was made from."""

    plan: Plan
    outcome: Outcome
    goes_on: bool
    answer: Committed | BlocksMoved | Cancelled


def settle(
    deps: EngineDeps, taken: Taken, ids: StepIds, terms: Terms
) -> Generator[Event, None, Progress]:
    """Apply and commit; again on fresh blocks when others were faster.

    The second time others have to wait: of 200 steps that edit one block at once, each round of
    trying freely lets one through and sends all others back.
    """
    plan = taken.plan
    for number in range(CONFLICT_TRIES):
        attempt = _alone if number else _freely
        try:
            tried = attempt(deps, taken, plan, ids, terms)
        except StoreUnavailable:
            raise
        except StoreError as exc:  # refused for what it holds: taken again it would be again
            refused = failed_by(exc, plan.state, ids, deps)
            return (yield from commit(deps, plan.state, refused, terms))
        plan, outcome = tried.plan, tried.outcome
        match tried.answer:
            case Committed() as done:
                deps.watch(seen_step(plan.state, outcome, terms.meter))
                return (yield from _stored(plan.state, outcome, done, goes_on=tried.goes_on))
            case BlocksMoved() as moved:
                plan = plan.moved(moved.blocks)
            case Cancelled():
                stopped = cancelled(plan.state, ids, outcome.started_at)
                return (yield from commit(deps, plan.state, stopped, terms))
    error = StepError(type="conflict", message="the blocks this step edits change too often")
    outcome = failed(
        plan.state, plan, ids=ids, now=deps.now(), stop_reason=StopReason.ERROR, error=error
    )
    return (yield from commit(deps, plan.state, outcome, terms))


def _freely(deps: EngineDeps, taken: Taken, plan: Plan, ids: StepIds, terms: Terms) -> _Attempt:
    """Commit if nobody has changed what the step read: one round trip."""
    outcome = terms.tab.on(_applied(deps, taken, plan, ids))
    goes_on = terms.go_on()
    answer = _write(deps, plan.state, outcome, terms, goes_on=goes_on)
    return _Attempt(plan=plan, outcome=outcome, goes_on=goes_on, answer=answer)


def _alone(deps: EngineDeps, taken: Taken, plan: Plan, ids: StepIds, terms: Terms) -> _Attempt:
    """Commit while nobody else can change the agent's blocks: two round trips."""
    goes_on = terms.go_on()
    made = [(plan, terms.tab.on(_applied(deps, taken, plan, ids)))]

    def make(blocks: tuple[Block, ...] | None) -> Outcome:
        if blocks is None:
            return made[-1][1]
        fresh = plan.moved(blocks)
        made.append((fresh, terms.tab.on(_applied(deps, taken, fresh, ids))))
        deps.reach(Point.BLOCKS_LOCKED)
        return made[-1][1]

    answer = _persistently(
        deps,
        terms,
        partial(
            deps.store.commit_step_alone,
            plan.state,
            make,
            lease_ms=deps.lease_ms if goes_on else 0,
            new_archive_id=deps.new_id("archive"),
        ),
    )
    fresh, outcome = made[-1]
    return _Attempt(plan=fresh, outcome=outcome, goes_on=goes_on, answer=answer)


def _applied(deps: EngineDeps, taken: Taken, plan: Plan, ids: StepIds) -> Outcome:
    """What a step comes to; a fault of ours in it fails the run now, not after five tries."""
    try:
        return taken.apply(plan)
    except Exception as error:
        log.exception("the reply of step %s could not be applied", ids.step_id)
        return failed_by(internal(error), plan.state, ids, deps)


def commit(
    deps: EngineDeps, state: State, outcome: Outcome, terms: Terms
) -> Generator[Event, None, Progress]:
    """Commit an outcome that edits no blocks and ends the run."""
    goes_on = terms.go_on()
    outcome = terms.tab.on(outcome)
    committed = _write(deps, state, outcome, terms, goes_on=goes_on)
    if isinstance(committed, Cancelled):
        # A step that failed while it was being cancelled: it is cancelled.
        outcome = terms.tab.on(cancelled(state, outcome.ids, outcome.started_at))
        committed = _write(deps, state, outcome, terms, goes_on=goes_on)
    if not isinstance(committed, Committed):
        raise LeaseLost(state.conversation.id, state.run.id)
    deps.watch(seen_step(state, outcome, terms.meter))
    return (yield from _stored(state, outcome, committed, goes_on=goes_on))


def _write(
    deps: EngineDeps, state: State, outcome: Outcome, terms: Terms, *, goes_on: bool
) -> Committed | BlocksMoved | Cancelled:
    write = partial(
        deps.store.commit_step,
        state,
        outcome,
        lease_ms=deps.lease_ms if goes_on else 0,
        new_archive_id=deps.new_id("archive"),
    )
    return _persistently(deps, terms, write)


def _persistently(
    deps: EngineDeps, terms: Terms, write: Callable[[], Committed | BlocksMoved | Cancelled]
) -> Committed | BlocksMoved | Cancelled:
    """Commit, and again while the database is away: a reply in hand is paid for.

    Raises:
        StoreUnavailable: until the step's time was over; the lease runs out a little later.
    """
    deps.reach(Point.BEFORE_COMMIT)
    pause = FIRST_PAUSE_S
    while True:
        try:
            with terms.meter.span("commit"):
                answer = write()
        except StoreUnavailable:
            if deps.monotonic() + pause >= terms.deadline:
                raise
            deps.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_S)
        else:
            deps.reach(Point.AFTER_COMMIT)
            return answer


def _compaction(state: State, outcome: Outcome) -> Compacted | None:
    eviction = outcome.plan.eviction if outcome.plan else None
    if eviction is None:
        return None
    newest = next(summary for summary in eviction.written if summary.level == 0)
    return Compacted(summary=newest, context_window=state.agent.context_window_limit)


def _stored(
    state: State, outcome: Outcome, committed: Committed, *, goes_on: bool
) -> Generator[Event, None, Progress]:
    outcome = dated(outcome, committed.committed_at)
    following = advance(state, outcome, next_seq=committed.next_seq)
    added = len(outcome.messages)
    yield StepStored(
        step_id=outcome.ids.step_id,
        messages=following.window[len(following.window) - added :],
        compaction=_compaction(state, outcome),
    )
    if outcome.stop_reason is not None:
        error = outcome.error
        yield RunEnded(
            run_id=state.run.id,
            stop_reason=outcome.stop_reason,
            usage=following.usage,
            step_count=state.step_no,
            context_tokens=outcome.usage.prompt_tokens or None,
            error=RunError(type=error.type, message=error.message) if error else None,
        )
        return Progress(state=None, more=committed.more)
    going = replace(
        following,
        agent=committed.agent or following.agent,
        tools=following.tools if committed.tools is None else committed.tools,
        blocks=following.blocks if committed.blocks is None else committed.blocks,
        counts=committed.counts or following.counts,
        cancel_requested=committed.cancel_requested,
    )
    return Progress(state=going, more=committed.more or not goes_on, handed_over=not goes_on)
