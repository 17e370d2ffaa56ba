"""Asking the model: with what fits, streamed, and stopped when nobody wants the answer any more.

Path: engine.step.take_step -> ask -> core.plan / llm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from remanence.core.approvals import waiting_tools
from remanence.core.clean import DeltaCleaner, clean_reply
from remanence.core.events import Streamed
from remanence.core.exchange import Reply, ToolCallDelta
from remanence.core.fallbacks import stand_ins
from remanence.core.plan import Plan, plan_step
from remanence.core.tokens import anchor_from_overflow, predict
from remanence.engine.pauses import with_pauses
from remanence.engine.points import Point
from remanence.engine.spend import Tab
from remanence.errors import (
    ProviderBadReply,
    ProviderEmptyReply,
    ProviderFiltered,
    ProviderOverloaded,
    ProviderQuota,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderTimeout,
    ProviderTooLong,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from remanence.core.calls import Clock
    from remanence.core.events import Event
    from remanence.core.exchange import Delta
    from remanence.core.step import StepIds
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps
    from remanence.engine.meter import Meter

log = logging.getLogger(__name__)

# How often a step asks again with a smaller window after a provider said "too long".
OVERFLOW_TRIES = 3
SHRINK = 0.7
# What another model may do better. A request that is refused, or filtered, is not taken elsewhere.
FALLS_BACK = (
    ProviderBadReply,
    ProviderOverloaded,
    ProviderQuota,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderTimeout,
)
# How long the model is waited for at least between two looks, in seconds.
SHORTEST_PAUSE_S = 0.05


class StopAsked(Exception):
    """Ends a model call that nobody wants any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a step is taken.

    Args:
        stream: yield fragments of the reply as they arrive.
        deadline: seconds of `time.monotonic`; the model call and its tools end by then.
        go_on: asked at the commit: will this worker take the next step too? If not, the lease is
            given back with the commit, so that whoever is rung for need not wait for its end.
        tab: what the step has to pay for.
        meter: counts what the step costs.
    """

    stream: bool
    deadline: float
    go_on: Callable[[], bool]
    meter: Meter
    tab: Tab = field(default_factory=Tab)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model call of a step came to. Times in nanoseconds."""

    plan: Plan
    reply: Reply
    llm_ns: int
    ttft_ns: int | None


def ask(
    deps: EngineDeps, state: State, ids: StepIds, clock: Clock, terms: Terms
) -> Generator[Event, None, Answer]:
    """Call the model, and those that stand in for it when it cannot answer.

    Another one is asked only while nobody has seen a word of an answer, and each but the last has
    an equal share of the time that is left to say its first. The one that answered is asked first
    in the steps that this worker takes next.

    Raises:
        ContextOverflow: what is always in the context leaves no room for a conversation.
        ProviderError: one of its kinds.
        StopAsked: the run was cancelled meanwhile.
    """
    candidates = list(stand_ins(state))
    for place, candidate in enumerate(candidates[:-1]):
        now = deps.monotonic()
        first_by = now + (terms.deadline - now) / (len(candidates) - place)
        try:
            return (yield from _ask_one(deps, candidate, ids, clock, terms, first_by=first_by))
        except FALLS_BACK as error:
            if terms.tab.has_heard:
                raise
            log.warning("step %s asks the next model: %s", ids.step_id, error.code)
    return (yield from _ask_one(deps, candidates[-1], ids, clock, terms))


def _ask_one(
    deps: EngineDeps,
    state: State,
    ids: StepIds,
    clock: Clock,
    terms: Terms,
    *,
    first_by: float | None = None,
) -> Generator[Event, None, Answer]:
    """Call one model; when it says the prompt is too long, believe it and ask with less."""
    shrink = 1.0
    for _ in range(OVERFLOW_TRIES):
        plan = plan_step(state, clock=clock, new_id=lambda: deps.new_id("summary"), shrink=shrink)
        try:
            return (yield from _call(deps, plan, ids, terms, first_by))
        except ProviderTooLong:
            state = _chastened(state, plan)
            shrink *= SHRINK
    plan = plan_step(state, clock=clock, new_id=lambda: deps.new_id("summary"), shrink=shrink)
    return (yield from _call(deps, plan, ids, terms, first_by))


def _chastened(state: State, plan: Plan) -> State:
    """The state with an anchor that takes the provider's word for the size of its window."""
    anchor = anchor_from_overflow(
        state.conversation.anchor,
        window=state.agent.context_window_limit,
        estimate=plan.context.estimate_tokens,
    )
    return replace(state, conversation=replace(state.conversation, anchor=anchor))


def _call(
    deps: EngineDeps, plan: Plan, ids: StepIds, terms: Terms, first_by: float | None
) -> Generator[Event, None, Answer]:
    began = deps.monotonic_ns()
    ttft_ns: int | None = None
    reply: Reply | None = None
    place, cleaner = _Place(), DeltaCleaner()
    # What is told beside the reply is stored before it.
    seq = plan.state.conversation.next_seq + bool(plan.context.notes)
    waits = _Waits(waiting_tools(plan.state, plan.context.allowed))
    looks = _Looks(deps)
    tokens = predict(plan.state.conversation.anchor, plan.context.estimate_tokens)
    request = terms.tab.open(
        deps, plan.state, plan.context.request, step_id=ids.step_id, tokens=tokens
    )
    deps.reach(Point.BEFORE_MODEL)
    # Always streamed from the provider, and never waited for longer than until the next look: a
    # run can be stopped in the middle of a reply, and before it.
    items = deps.models.call(request, stream=True, deadline=terms.deadline)
    for item in with_pauses(items, looks.pause_s):
        if item is not None and ttft_ns is None:
            ttft_ns = deps.monotonic_ns() - began
            deps.reach(Point.IN_REPLY)
        if item is not None:
            terms.tab.hear(item)
        if isinstance(item, Reply):
            reply = clean_reply(item)
        elif item is not None and terms.stream:
            yield Streamed(
                step_id=ids.step_id,
                message_id=ids.message_id,
                seq=seq,
                part_index=place.of(item),
                delta=cleaner.clean(item),
                waits=waits.of(item),
            )
        if first_by is not None and ttft_ns is None and deps.monotonic() >= first_by:
            raise ProviderTimeout(f"{request.handle} said nothing in its share of the time")
        if looks.is_due() and _is_cancelled(deps, plan.state):
            raise StopAsked
    deps.reach(Point.AFTER_REPLY)
    if reply is not None and reply.finish == "content_filter" and not reply.tool_calls:
        # What it had said is not kept: it would be filtered again in every later prompt.
        raise ProviderFiltered(f"the content filter of {request.handle} stopped the answer")
    if reply is None or not reply.parts:
        raise ProviderEmptyReply("the model answered with neither text nor a tool call")
    return Answer(plan=plan, reply=reply, llm_ns=deps.monotonic_ns() - began, ttft_ns=ttft_ns)


class _Looks:
    """When a step looks whether its run was cancelled."""

    def __init__(self, deps: EngineDeps) -> None:
        self._deps = deps
        self._next_at = deps.monotonic() + deps.cancel_look_s

    def pause_s(self) -> float:
        """Until the next one, in seconds."""
        return max(self._next_at - self._deps.monotonic(), SHORTEST_PAUSE_S)

    def is_due(self) -> bool:
        """Whether it is time for one; then the next is due in `cancel_look_s`."""
        now = self._deps.monotonic()
        if now < self._next_at:
            return False
        self._next_at = now + self._deps.cancel_look_s
        return True


def _is_cancelled(deps: EngineDeps, state: State) -> bool:
    """A look that fails says nothing: the reply is worth more, and the commit tells too."""
    try:
        return deps.store.is_cancelled(state.org_id, state.run.id)
    except StoreUnavailable:
        return False


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


class _Waits:
    """Tells fragments of the calls that will wait for an answer, by the name of their tool."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._call_ids: set[str] = set()

    def of(self, delta: Delta) -> bool:
        """Whether this fragment belongs to such a call."""
        if not isinstance(delta, ToolCallDelta):
            return False
        if delta.name in self._names:
            self._call_ids.add(delta.tool_call_id)
        return delta.tool_call_id in self._call_ids
