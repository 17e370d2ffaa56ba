"""One step, in its order: plan, ask, look up, apply, commit.

Path: engine.run -> take_step -> engine.ask / engine.lookups / core.step / store.
Yields what happens, and returns where the run stands.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from remanence.core.approvals import next_open, open_calls, put_off, with_client_tools
from remanence.core.calls import Clock, lookups_of, read_calls
from remanence.core.claims import BlocksMoved, Cancelled, Committed
from remanence.core.events import RunEnded, RunError, StepStarted, StepStored
from remanence.core.plan import plan_step
from remanence.core.step import (
    Outcome,
    StepError,
    StepIds,
    advance,
    apply_open_calls,
    apply_reply,
    dated,
    failed,
)
from remanence.core.types import StopReason
from remanence.engine.ask import StopAsked, Terms, ask
from remanence.engine.lookups import find_all
from remanence.engine.points import Point
from remanence.errors import (
    AppError,
    ContextOverflow,
    LeaseLost,
    ProviderBadReply,
    ProviderQuota,
    StoreError,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from remanence.core.approvals import OpenCalls
    from remanence.core.events import Event
    from remanence.core.plan import Plan
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# How often a step is applied again to blocks that others changed while it thought. Each round
# loses only to a commit that succeeded, so this bounds a step, not the progress of all.
CONFLICT_TRIES = 50
# How often a step may be begun without ever being committed: whatever kills its workers (memory,
# time) would kill the next one too, and a run that cannot end must not block its conversation.
MAX_CLAIMS = 5
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
class _Taken:
    """All of a step but its commit: `apply` gives the outcome for a plan, as often as asked."""

    plan: Plan
    apply: Callable[[Plan], Outcome]


def take_step(deps: EngineDeps, state: State, terms: Terms) -> Generator[Event, None, Progress]:
    """Take the next step of a claimed run.

    Args:
        deps: the world.
        state: claimed; its `step_no` is the step to take.
        terms: how to take it.

    Returns:
        Where the run stands after it.

    Raises:
        LeaseLost: another worker owns the conversation; nothing was written.
        StoreError: the commit could not be made; the lease runs out and the sweep goes on.
    """
    state = with_client_tools(state)
    ids = _ids(deps)
    if state.cancel_requested:
        return (yield from _commit(deps, state, _cancelled(state, ids, deps.now()), terms))
    if state.conversation.claims > MAX_CLAIMS:
        return (yield from _commit(deps, state, _poisoned(state, ids, deps.now()), terms))
    try:
        taken = yield from _take(deps, state, ids, terms)
    except (LeaseLost, StoreError):
        raise
    except StopAsked:
        outcome = _cancelled(state, ids, deps.now())
    except AppError as error:
        outcome = _failed_by(error, state, ids, deps)
    except Exception as error:  # a fault of ours must not leave the run hanging for ever
        log.exception("step %s of run %s failed", ids.step_id, state.run.id)
        outcome = _failed_by(_internal(error), state, ids, deps)
    else:
        return (yield from _settle(deps, taken, ids, terms))
    return (yield from _commit(deps, state, outcome, terms))


def _ids(deps: EngineDeps) -> StepIds:
    return StepIds(
        step_id=deps.new_id("step"),
        message_id=deps.new_id("message"),
        tool_message_id=deps.new_id("message"),
        notice_id=deps.new_id("message"),
        note_id=deps.new_id("message"),
    )


def _take(
    deps: EngineDeps, state: State, ids: StepIds, terms: Terms
) -> Generator[Event, None, _Taken]:
    """Everything before the commit: nothing is written yet, and nothing is asked after it."""
    started_ns = deps.monotonic_ns()
    clock = Clock(now=deps.now(), tz=deps.zones(state.agent.timezone))
    yield StepStarted(
        step_id=ids.step_id,
        step_no=state.step_no,
        message_id=ids.message_id,
        started_at=clock.now,
    )
    opened = open_calls(state.window)
    if opened is not None:
        taken = _run_open_calls(deps, state, opened, ids, clock, terms)
        step_ns = deps.monotonic_ns() - started_ns

        def apply_timed(plan: Plan) -> Outcome:
            return replace(taken.apply(plan), step_ns=step_ns)

        return replace(taken, apply=apply_timed)
    answer = yield from ask(deps, state, ids, clock, terms)
    clock = replace(clock, now=deps.now())
    allowed = answer.plan.context.allowed
    calls = read_calls(answer.reply, answer.plan.state, clock, prefilled=allowed.prefilled)
    # With an outside effect among them, the reply is committed first and no call runs yet.
    lookups = () if put_off(calls, allowed) else lookups_of(calls, allowed)
    found = find_all(lookups, state, deps, deadline=terms.deadline)

    def apply(plan: Plan) -> Outcome:
        outcome = apply_reply(
            plan, answer.reply, calls, found, ids=ids, clock=clock, new_id=deps.new_id
        )
        return replace(
            outcome,
            llm_ns=answer.llm_ns,
            ttft_ns=answer.ttft_ns,
            step_ns=deps.monotonic_ns() - started_ns,
        )

    return _Taken(plan=answer.plan, apply=apply)


def _run_open_calls(
    deps: EngineDeps,
    state: State,
    opened: OpenCalls,
    ids: StepIds,
    clock: Clock,
    terms: Terms,
) -> _Taken:
    """A step without a model call: calls of an earlier reply that may run by now."""
    plan = plan_step(state, clock=clock, new_id=lambda: deps.new_id("summary"))
    calls = next_open(read_calls(opened.reply, state, clock), opened)
    wanted = [
        call.lookup
        for call in calls
        if call.lookup is not None and call.call.tool_call_id not in opened.denied
    ]
    found = find_all(wanted, state, deps, deadline=terms.deadline)
    clock = replace(clock, now=deps.now())
    apply = partial(
        apply_open_calls,
        opened=opened,
        calls=calls,
        findings=found,
        ids=ids,
        clock=clock,
        new_id=deps.new_id,
    )
    return _Taken(plan=plan, apply=apply)


def _settle(
    deps: EngineDeps, taken: _Taken, ids: StepIds, terms: Terms
) -> Generator[Event, None, Progress]:
    """Apply and commit; again on fresh blocks while others were faster."""
    plan = taken.plan
    for _ in range(CONFLICT_TRIES):
        outcome = _applied(deps, taken, plan, ids)
        goes_on = terms.go_on()
        try:
            committed = _write(deps, plan.state, outcome, terms, goes_on=goes_on)
        except StoreUnavailable:
            raise
        except StoreError as exc:  # refused for what it holds: taken again it would be again
            refused = _failed_by(exc, plan.state, ids, deps)
            return (yield from _commit(deps, plan.state, refused, terms))
        match committed:
            case Committed():
                return (yield from _stored(plan.state, outcome, committed, goes_on=goes_on))
            case BlocksMoved():
                plan = replace(plan, state=replace(plan.state, blocks=committed.blocks))
            case Cancelled():
                stopped = _cancelled(plan.state, ids, outcome.started_at)
                return (yield from _commit(deps, plan.state, stopped, terms))
    error = StepError(type="conflict", message="the blocks this step edits change too often")
    outcome = failed(
        plan.state, plan, ids=ids, now=deps.now(), stop_reason=StopReason.ERROR, error=error
    )
    return (yield from _commit(deps, plan.state, outcome, terms))


def _applied(deps: EngineDeps, taken: _Taken, plan: Plan, ids: StepIds) -> Outcome:
    """What a step comes to; a fault of ours in it fails the run now, not after five tries."""
    try:
        return taken.apply(plan)
    except Exception as error:
        log.exception("the reply of step %s could not be applied", ids.step_id)
        return _failed_by(_internal(error), plan.state, ids, deps)


def _commit(
    deps: EngineDeps, state: State, outcome: Outcome, terms: Terms
) -> Generator[Event, None, Progress]:
    """Commit an outcome that edits no blocks and ends the run."""
    goes_on = terms.go_on()
    committed = _write(deps, state, outcome, terms, goes_on=goes_on)
    if isinstance(committed, Cancelled):
        # A step that failed while it was being cancelled: it is cancelled.
        outcome = _cancelled(state, outcome.ids, outcome.started_at)
        committed = _write(deps, state, outcome, terms, goes_on=goes_on)
    if not isinstance(committed, Committed):
        raise LeaseLost(state.conversation.id, state.run.id)
    return (yield from _stored(state, outcome, committed, goes_on=goes_on))


def _write(
    deps: EngineDeps, state: State, outcome: Outcome, terms: Terms, *, goes_on: bool
) -> Committed | BlocksMoved | Cancelled:
    """Commit, and again while the database is away: a reply in hand is paid for.

    Raises:
        StoreUnavailable: until the step's time was over; the lease runs out a little later.
    """
    deps.reach(Point.BEFORE_COMMIT)
    commit = partial(
        deps.store.commit_step,
        state,
        outcome,
        lease_ms=deps.lease_ms if goes_on else 0,
        new_archive_id=deps.new_id("archive"),
    )
    pause = FIRST_PAUSE_S
    while True:
        try:
            committed = commit()
        except StoreUnavailable:
            if deps.monotonic() + pause >= terms.deadline:
                raise
            deps.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_S)
        else:
            deps.reach(Point.AFTER_COMMIT)
            return committed


def _stored(
    state: State, outcome: Outcome, committed: Committed, *, goes_on: bool
) -> Generator[Event, None, Progress]:
    outcome = dated(outcome, committed.committed_at)
    following = advance(state, outcome, next_seq=committed.next_seq)
    added = len(outcome.messages)
    yield StepStored(
        step_id=outcome.ids.step_id, messages=following.window[len(following.window) - added :]
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


def _cancelled(state: State, ids: StepIds, now: datetime) -> Outcome:
    return failed(state, None, ids=ids, now=now, stop_reason=StopReason.CANCELLED, error=None)


def _poisoned(state: State, ids: StepIds, now: datetime) -> Outcome:
    message = f"this step was begun {state.conversation.claims - 1} times, and no worker ended it"
    error = StepError(type="poisoned_step", message=message)
    return failed(state, None, ids=ids, now=now, stop_reason=StopReason.ERROR, error=error)


def _internal(error: Exception) -> AppError:
    return AppError(f"internal error ({type(error).__name__})")


def _failed_by(error: AppError, state: State, ids: StepIds, deps: EngineDeps) -> Outcome:
    match error:
        case ContextOverflow():
            reason = StopReason.CONTEXT_WINDOW_OVERFLOW
        case ProviderQuota():
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
