"""One step, in its order: plan, ask, look up, apply, commit.

Path: engine.run -> take_step -> core.step / llm / engine.lookups / store.
Yields what happens, and returns where the run stands.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.calls import Clock, lookups_of, read_calls
from remanence.core.claims import BlocksMoved, Cancelled, Committed
from remanence.core.events import RunEnded, RunError, StepStarted, StepStored, Streamed
from remanence.core.exchange import Reply, ToolCallDelta
from remanence.core.step import (
    Outcome,
    Plan,
    StepError,
    StepIds,
    advance,
    apply_reply,
    failed,
    plan_step,
)
from remanence.core.tokens import anchor_from_overflow
from remanence.core.types import StopReason
from remanence.engine.lookups import find_all
from remanence.errors import (
    AppError,
    ContextOverflow,
    LeaseLost,
    ProviderBadReply,
    ProviderQuota,
    ProviderTooLong,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from remanence.core.calls import Call, Finding
    from remanence.core.events import Event
    from remanence.core.exchange import Delta
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# How often a step asks again with a smaller window after a provider said "too long".
OVERFLOW_TRIES = 3
SHRINK = 0.7
# How often a step is applied again to blocks that others changed while it thought. Each round
# loses only to a commit that succeeded, so this bounds a step, not the progress of all.
CONFLICT_TRIES = 50
# How often a step that streams looks whether its run was cancelled, in seconds: a model call that
# is shorter costs no round trip for it.
CANCEL_LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a step is taken.

    Args:
        stream: yield fragments of the reply as they arrive.
        deadline: seconds of `time.monotonic`; the model call and its tools end by then.
        go_on: asked at the commit: will this worker take the next step too? If not, the lease is
            given back with the commit, so that whoever is rung for need not wait for its end.
    """

    stream: bool
    deadline: float
    go_on: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a step has left its run.

    `state` is what the next step begins with; None when the run is over. `handed_over`: that step
    is somebody else's. `more`: there is something to ring for in this conversation.
    """

    state: State | None
    more: bool
    handed_over: bool = False


@dataclass(slots=True)
class _Answer:
    """What the model call of a step came to."""

    plan: Plan
    reply: Reply
    llm_ns: int
    ttft_ns: int | None


@dataclass(slots=True, kw_only=True)
class _Taken:
    """All that `apply_reply` needs: nothing more is asked of the world before the commit."""

    answer: _Answer
    calls: tuple[Call, ...]
    findings: dict[str, Finding]
    clock: Clock


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
    ids = StepIds(
        step_id=deps.new_id("step"),
        message_id=deps.new_id("message"),
        tool_message_id=deps.new_id("message"),
        notice_id=deps.new_id("message"),
    )
    started_at, started_ns = deps.now(), deps.monotonic_ns()
    if state.cancel_requested:
        return (yield from _commit(deps, state, _cancelled(state, ids, started_at), terms))
    yield StepStarted(
        step_id=ids.step_id,
        step_no=state.step_no,
        message_id=ids.message_id,
        started_at=started_at,
    )
    clock = Clock(now=started_at, tz=deps.zones(state.agent.timezone))
    try:
        answer = yield from _ask(deps, state, ids, clock, terms)
        taken = _look_up(deps, answer, replace(clock, now=deps.now()), terms.deadline)
    except (LeaseLost, StoreError):
        raise
    except _StopAsked:
        return (yield from _commit(deps, state, _cancelled(state, ids, deps.now()), terms))
    except AppError as error:
        outcome = _failed_by(error, state, ids, deps)
        return (yield from _commit(deps, state, outcome, terms))
    except Exception as error:  # a fault of ours must not leave the run hanging for ever
        log.exception("step %s of run %s failed", ids.step_id, state.run.id)
        outcome = _failed_by(AppError(f"internal error ({type(error).__name__})"), state, ids, deps)
        return (yield from _commit(deps, state, outcome, terms))
    return (yield from _apply(deps, taken, ids, terms, started_ns))


def _ask(
    deps: EngineDeps, state: State, ids: StepIds, clock: Clock, terms: Terms
) -> Generator[Event, None, _Answer]:
    """Call the model; when it says the prompt is too long, believe it and ask with less."""
    shrink = 1.0
    for attempt in range(OVERFLOW_TRIES + 1):
        plan = plan_step(state, clock=clock, new_id=lambda: deps.new_id("summary"), shrink=shrink)
        try:
            return (yield from _call(deps, plan, ids, terms))
        except ProviderTooLong:
            if attempt == OVERFLOW_TRIES:
                raise
            anchor = anchor_from_overflow(
                state.conversation.anchor,
                window=state.agent.context_window_limit,
                estimate=plan.context.estimate_tokens,
            )
            state = replace(state, conversation=replace(state.conversation, anchor=anchor))
            shrink *= SHRINK
    raise AssertionError("unreachable")


def _call(
    deps: EngineDeps, plan: Plan, ids: StepIds, terms: Terms
) -> Generator[Event, None, _Answer]:
    began = deps.monotonic_ns()
    ttft_ns: int | None = None
    reply: Reply | None = None
    place = _Place()
    look_at = deps.monotonic() + CANCEL_LOOK_S
    # Always streamed from the provider: fragments are what lets a run be stopped in its middle.
    for item in deps.models.call(plan.context.request, stream=True, deadline=terms.deadline):
        if ttft_ns is None:
            ttft_ns = deps.monotonic_ns() - began
        if isinstance(item, Reply):
            reply = item
        elif terms.stream:
            yield Streamed(
                step_id=ids.step_id,
                message_id=ids.message_id,
                part_index=place.of(item),
                delta=item,
            )
        if deps.monotonic() >= look_at:
            look_at = deps.monotonic() + CANCEL_LOOK_S
            if deps.store.is_cancelled(plan.state.org_id, plan.state.run.id):
                raise _StopAsked
    if reply is None or not reply.parts:
        raise ProviderBadReply("the model answered with neither text nor a tool call")
    return _Answer(plan=plan, reply=reply, llm_ns=deps.monotonic_ns() - began, ttft_ns=ttft_ns)


class _StopAsked(Exception):
    """Ends a model call that nobody wants any more."""


class _Place:
    """Counts the parts of a streamed message: a new part begins where the kind or call changes."""

    def __init__(self) -> None:
        self._index = -1
        self._current: tuple[type[Delta], str] | None = None

    def of(self, delta: Delta) -> int:
        """The index of the part this fragment belongs to."""
        call_id = delta.tool_call_id if isinstance(delta, ToolCallDelta) else ""
        key = (type(delta), call_id)
        if key != self._current:
            self._index += 1
            self._current = key
        return self._index


def _look_up(deps: EngineDeps, answer: _Answer, clock: Clock, deadline: float) -> _Taken:
    calls = read_calls(answer.reply, answer.plan.state, clock)
    findings = find_all(
        lookups_of(calls, answer.plan.context.allowed),
        answer.plan.state,
        deps.recall,
        deps.models,
        deadline=deadline,
    )
    return _Taken(answer=answer, calls=calls, findings=findings, clock=clock)


def _apply(
    deps: EngineDeps, taken: _Taken, ids: StepIds, terms: Terms, started_ns: int
) -> Generator[Event, None, Progress]:
    """Apply the reply and commit; again on fresh blocks while others were faster."""
    plan = taken.answer.plan
    for _ in range(CONFLICT_TRIES):
        outcome = replace(
            apply_reply(
                plan,
                taken.answer.reply,
                taken.calls,
                taken.findings,
                ids=ids,
                clock=taken.clock,
                new_id=deps.new_id,
            ),
            llm_ns=taken.answer.llm_ns,
            ttft_ns=taken.answer.ttft_ns,
            step_ns=deps.monotonic_ns() - started_ns,
        )
        committed = _write(deps, plan.state, outcome, goes_on := terms.go_on())
        if isinstance(committed, Committed):
            return (yield from _stored(plan.state, outcome, committed, goes_on=goes_on))
        if isinstance(committed, Cancelled):
            outcome = _cancelled(plan.state, ids, taken.clock.now)
            return (yield from _commit(deps, plan.state, outcome, terms))
        plan = replace(plan, state=replace(plan.state, blocks=committed.blocks))
    error = StepError(type="conflict", message="the blocks this step edits change too often")
    outcome = failed(
        plan.state, plan, ids=ids, now=taken.clock.now, stop_reason=StopReason.ERROR, error=error
    )
    return (yield from _commit(deps, plan.state, outcome, terms))


def _commit(
    deps: EngineDeps, state: State, outcome: Outcome, terms: Terms
) -> Generator[Event, None, Progress]:
    """Commit an outcome that edits no blocks."""
    goes_on = terms.go_on()
    committed = _write(deps, state, outcome, goes_on)
    if isinstance(committed, Cancelled):
        # A step that failed while it was being cancelled: it is cancelled.
        outcome = _cancelled(state, outcome.ids, outcome.started_at)
        committed = _write(deps, state, outcome, goes_on)
    if not isinstance(committed, Committed):
        raise LeaseLost(state.conversation.id, state.run.id)
    return (yield from _stored(state, outcome, committed, goes_on=goes_on))


def _write(
    deps: EngineDeps, state: State, outcome: Outcome, goes_on: bool
) -> Committed | BlocksMoved | Cancelled:
    return deps.store.commit_step(
        state,
        outcome,
        lease_ms=deps.lease_ms if goes_on else 0,
        new_archive_id=deps.new_id("archive"),
    )


def _stored(
    state: State, outcome: Outcome, committed: Committed, *, goes_on: bool
) -> Generator[Event, None, Progress]:
    following = advance(state, outcome, next_seq=committed.next_seq)
    added = len(outcome.messages)
    yield StepStored(
        step_id=outcome.ids.step_id, messages=following.window[len(following.window) - added :]
    )
    if outcome.stop_reason is not None:
        yield RunEnded(
            run_id=state.run.id,
            stop_reason=outcome.stop_reason,
            usage=following.usage,
            step_count=state.step_no,
            context_tokens=outcome.usage.prompt_tokens or None,
            error=(
                RunError(type=outcome.error.type, message=outcome.error.message)
                if outcome.error
                else None
            ),
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


def _failed_by(error: AppError, state: State, ids: StepIds, deps: EngineDeps) -> Outcome:
    match error:
        case ContextOverflow():
            reason = StopReason.CONTEXT_WINDOW_OVERFLOW
        case ProviderQuota():
            reason = StopReason.INSUFFICIENT_CREDITS
        case ProviderBadReply():
            reason = StopReason.INVALID_LLM_RESPONSE
        case _ if error.code == "internal_error":
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
