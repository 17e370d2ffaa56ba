"""Compacting a conversation: ahead of need, or because a caller asks for it.

Path: engine.sweep or api.routes -> core.compaction -> engine.summaries -> store.
A conversation is claimed first, so that nobody pays twice for its summary. The summary is written
outside any lease and committed only if the window has not moved and no step is running: nobody
waits for it, and nothing that arrived meanwhile is lost or covered unseen.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.compaction import Eviction, apply_eviction, evict, plan_cut
from remanence.core.context import compile_context
from remanence.core.types import TokenAnchor
from remanence.engine.points import Point
from remanence.engine.summaries import Allowance, Summariser
from remanence.errors import AgentBusy, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from remanence.core.claims import Due
    from remanence.core.ids import OrgId
    from remanence.core.summaries import CompactionSettings, SummaryAuthor
    from remanence.core.types import Agent, State
    from remanence.engine.deps import EngineDeps

# What a compaction that somebody asked for may spend on models.
ASKED_CALLS = 20
ASKED_TOKENS = 1_000_000
# How long a summary that is written waits for a step to end, and how often it looks, in seconds.
BUSY_WAIT_S = 30.0
BUSY_LOOK_S = 0.5
# The most that history keeps after a compaction ahead of need, of the context window: what the
# settings ask for, but never so much that it would be due again at once.
MOST_KEPT_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """What a compaction did: how many messages and summaries were in context, and are now.

    `summary` is what stands for everything before the window.
    """

    before: int
    after: int
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One compaction: of what, under which claim, for whom, and what history keeps, in tokens."""

    state: State
    token: str
    author: SummaryAuthor
    budget: int
    deadline: float


def compact(deps: EngineDeps, item: Due, allowance: Allowance, *, deadline: float) -> bool:
    """Move the older part of a conversation out of its window, behind a summary.

    Summaries in view that no model has written are written on this occasion.

    Returns:
        Whether it was written; False when there is nothing to do, somebody else is at it, a step
        is running, or the window moved meanwhile. Then the next sweep sees to it.
    """
    with _claimed(deps, item.org_id, item.conversation_id) as token:
        if token is None:
            return False
        state = deps.store.peek_state(item.org_id, item.conversation_id)
        deps = deps.for_org(state.org_id, state.own_providers)
        agent = state.agent
        share = 0.0 if _leaves_all(agent.compaction_settings) else _kept_share(agent)
        limit = min(deadline, deps.monotonic() + deps.step_limit_s)
        budget = int(agent.context_window_limit * share)
        job = _Job(state=state, token=token, author="schedule", budget=budget, deadline=limit)
        eviction = _plan(deps, job, allowance)
        if eviction is None:
            deps.store.put_off_compaction(item.org_id, item.conversation_id)
            return False
        return _commit(deps, job, eviction) is not None


def compact_now(
    deps: EngineDeps,
    org_id: OrgId,
    conversation_id: str,
    settings: Callable[[CompactionSettings], CompactionSettings],
) -> Compacted:
    """Compact a conversation because a caller asks for it, however full it is.

    The modes that end in `all` leave the newest exchange in the window; the others leave the
    share of the history that the settings say.

    Args:
        deps: the world.
        org_id: of the caller.
        conversation_id: of the conversation.
        settings: what the caller changes of the agent's settings, for this time.

    Raises:
        NotFound: no such conversation, or it was deleted meanwhile.
        AgentBusy: a run is working in it, wrote meanwhile, or somebody else compacts it; nothing
            was changed.
    """
    with _claimed(deps, org_id, conversation_id) as token:
        state = deps.store.peek_state(org_id, conversation_id)
        if token is None:
            raise AgentBusy(conversation_id)
        deps = deps.for_org(state.org_id, state.own_providers)
        asked = settings(state.agent.compaction_settings)
        state = replace(state, agent=replace(state.agent, compaction_settings=asked))
        held = sum(message.tokens for message in state.window)
        share = 0.0 if _leaves_all(asked) else asked.sliding_window_percentage
        before = len(state.window) + len(state.summaries)
        limit = deps.monotonic() + deps.step_limit_s
        budget = int(held * share)
        job = _Job(state=state, token=token, author="caller", budget=budget, deadline=limit)
        eviction = _plan(deps, job, Allowance(calls=ASKED_CALLS, tokens=ASKED_TOKENS))
        after = state if eviction is None else _commit(deps, job, eviction)
        if after is None:
            deps.store.peek_state(org_id, conversation_id)  # or it is gone
            raise AgentBusy(conversation_id)
        left = len(after.window) + len(after.summaries)
        return Compacted(before=before, after=left, summary=_told(after))


@contextmanager
def _claimed(deps: EngineDeps, org_id: OrgId, conversation_id: str) -> Generator[str | None]:
    """The token of a claim, None when somebody else has it; it is given back at the end."""
    token = deps.new_token()
    hold_ms = int((deps.step_limit_s + BUSY_WAIT_S + deps.lease_margin_s) * 1000)
    if not deps.store.claim_compaction(org_id, conversation_id, token=token, hold_ms=hold_ms):
        yield None
        return
    try:
        yield token
    finally:
        with suppress(StoreError):  # then it ends by itself
            deps.store.release_compaction(org_id, conversation_id, token=token)


def _leaves_all(settings: CompactionSettings) -> bool:
    return settings.mode.endswith("all")


def _kept_share(agent: Agent) -> float:
    """Of the context window; less than the settings say when summaries and system need the room."""
    return min(agent.compaction_settings.sliding_window_percentage, MOST_KEPT_SHARE)


def _told(state: State) -> str:
    return "\n\n".join(summary.text for summary in state.summaries)


def _plan(deps: EngineDeps, job: _Job, allowance: Allowance) -> Eviction | None:
    """What is to be written; None when nothing leaves and no summary waits for a model."""
    state = job.state
    cut = plan_cut(state.window, job.budget)
    stand_ins = deps.store.list_stand_ins(state.org_id, state.conversation.id)
    start = state.conversation.window_from_seq
    eviction = Eviction(base_window_from_seq=start, window_from_seq=start, written=(), parents={})
    if cut.leaving:
        eviction = evict(
            state,
            cut,
            now=deps.now(),
            new_id=lambda: deps.new_id("summary"),
            author=job.author,
        )
    summariser = Summariser(
        deps=deps, state=state, cut=cut, allowance=allowance, deadline=job.deadline
    )
    eviction = summariser.rewritten(summariser.written(eviction), stand_ins, author=job.author)
    return eviction if eviction.written else None


def _commit(deps: EngineDeps, job: _Job, eviction: Eviction) -> State | None:
    """Write it, waiting a while for a step that is running; None when it could not be."""
    after = apply_eviction(job.state, eviction)
    context = compile_context(after, deps.zones(after.agent.timezone))
    give_up = deps.monotonic() + BUSY_WAIT_S
    while True:
        deps.reach(Point.BEFORE_COMPACTION)
        outcome = deps.store.commit_compaction(
            job.state,
            eviction,
            token=job.token,
            window_tokens=context.estimate_tokens,
            anchor=TokenAnchor(ratio=after.conversation.anchor.ratio),
        )
        deps.reach(Point.AFTER_COMPACTION)
        if outcome != "busy" or deps.monotonic() + BUSY_LOOK_S > give_up:
            return after if outcome == "ok" else None
        deps.sleep(BUSY_LOOK_S)
