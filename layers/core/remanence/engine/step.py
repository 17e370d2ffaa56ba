"""One step, in its order: plan, ask, look up, apply, commit.

Path: engine.run -> take_step -> engine.ask / engine.lookups / core.step -> engine.settle.
Yields what happens, and returns where the run stands.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from remanence.core.approvals import (
    next_open,
    open_calls,
    put_off,
    waiting_calls,
    with_client_tools,
)
from remanence.core.calls import Clock, lookups_of, read_calls
from remanence.core.custom_tools import ToolRun
from remanence.core.events import StepStarted
from remanence.core.plan import plan_step
from remanence.core.step import Outcome, StepIds, apply_open_calls, apply_reply
from remanence.engine.ask import StopAsked, Terms, ask
from remanence.engine.endings import cancelled, failed_by, internal, poisoned
from remanence.engine.lookups import find_all
from remanence.engine.meter import metered
from remanence.engine.points import Point
from remanence.engine.settle import Progress, Taken, commit, settle
from remanence.errors import AppError, LeaseLost, StoreError

if TYPE_CHECKING:
    from collections.abc import Generator

    from remanence.core.approvals import OpenCalls
    from remanence.core.events import Event
    from remanence.core.plan import Plan
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# How often a step may be begun without ever being committed: whatever kills its workers (memory,
# time) would kill the next one too, and a run that cannot end must not block its conversation.
MAX_CLAIMS = 5


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
    deps = metered(deps, terms.meter).for_org(state.org_id, state.own_providers)
    state = with_client_tools(state)
    ids = _ids(deps)
    if state.cancel_requested:
        return (yield from commit(deps, state, cancelled(state, ids, deps.now()), terms))
    if state.conversation.claims > MAX_CLAIMS:
        return (yield from commit(deps, state, poisoned(state, ids, deps.now()), terms))
    try:
        taken = yield from _take(deps, state, ids, terms)
    except (LeaseLost, StoreError):
        raise
    except StopAsked:
        outcome = cancelled(state, ids, deps.now())
    except AppError as error:
        outcome = failed_by(error, state, ids, deps)
    except Exception as error:  # a fault of ours must not leave the run hanging for ever
        log.exception("step %s of run %s failed", ids.step_id, state.run.id)
        outcome = failed_by(internal(error), state, ids, deps)
    else:
        return (yield from settle(deps, taken, ids, terms))
    return (yield from commit(deps, state, outcome, terms))


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
) -> Generator[Event, None, Taken]:
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
    with terms.meter.span("model"):
        answer = yield from ask(deps, state, ids, clock, terms)
    clock = replace(clock, now=deps.now())
    allowed = answer.plan.context.allowed
    calls = read_calls(answer.reply, answer.plan.state, clock, prefilled=allowed.prefilled)
    # With an outside effect among them, or one that waits for a person, no call runs yet.
    later = put_off(calls, allowed) or waiting_calls(answer.plan.state, calls, allowed)
    lookups = () if later else lookups_of(calls, allowed)
    with terms.meter.span("tools"):
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

    return Taken(plan=answer.plan, apply=apply)


def _run_open_calls(
    deps: EngineDeps,
    state: State,
    opened: OpenCalls,
    ids: StepIds,
    clock: Clock,
    terms: Terms,
) -> Taken:
    """A step without a model call: calls of an earlier reply that may run by now."""
    plan = plan_step(state, clock=clock, new_id=lambda: deps.new_id("summary"))
    calls = next_open(read_calls(opened.reply, state, clock), opened)
    wanted = [
        call.lookup
        for call in calls
        if call.lookup is not None and call.call.tool_call_id not in opened.denied
    ]
    reaches_out = any(isinstance(lookup, ToolRun) for lookup in wanted)
    if reaches_out:
        deps.reach(Point.BEFORE_TOOL)
    with terms.meter.span("tools"):
        found = find_all(wanted, state, deps, deadline=terms.deadline)
    if reaches_out:
        deps.reach(Point.AFTER_TOOL)
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
    return Taken(plan=plan, apply=apply)
