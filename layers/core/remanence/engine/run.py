"""A run: from the input of a caller to a stop reason, or one step of it for a doorbell.

Path: api.routes.messages -> Engine.start -> engine.step.take_step, again and again.
Between two steps nothing lives outside the database: whoever claims the conversation goes on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from remanence.core.claims import Busy, Claimed, Known
from remanence.core.events import RunEnded, RunError, RunHandedOver, RunStarted
from remanence.core.types import StopReason
from remanence.engine.ask import Terms
from remanence.engine.callback import call_back
from remanence.engine.compact import compact_now
from remanence.engine.follow import POLL_S, attend, follow
from remanence.engine.meter import Meter, metered
from remanence.engine.points import Point
from remanence.engine.settle import Progress
from remanence.engine.step import take_step
from remanence.errors import (
    AgentBusy,
    AppError,
    InvalidRequest,
    LeaseLost,
    NotFound,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from remanence.core.claims import CancelledRun, RunOrder
    from remanence.core.events import Event
    from remanence.core.ids import OrgId
    from remanence.core.summaries import CompactionSettings
    from remanence.core.types import State
    from remanence.engine.compact import Compacted
    from remanence.engine.deps import EngineDeps

# How a waiting caller looks again whether a busy conversation is free, in seconds: quickly at
# first, since most runs are nearly over, then rarely, since each look is a round trip.
FIRST_LOOK_S = 0.05
LAST_LOOK_S = 1.0


class Engine:
    """Runs agents. One per process; holds no state of any run."""

    def __init__(self, deps: EngineDeps) -> None:
        self._deps = deps

    def start(
        self, org_id: OrgId, order: RunOrder, *, stream: bool, deadline: float | None = None
    ) -> Generator[Event]:
        """Store the input, claim the conversation and run to a stop reason.

        Args:
            org_id: of the caller.
            order: what is asked. In the background, a busy conversation queues it.
            stream: yield fragments of replies as they arrive.
            deadline: seconds of `time.monotonic` by which this worker ends, or None. When no
                further step fits before it, the run is handed over.

        Yields:
            The events of the run, from RunStarted to RunEnded or RunHandedOver. A caller that
            stops listening (closes the generator) does not stop the run.

        Raises:
            NotFound: no such agent or conversation; nothing was stored. As all below, with the
                first event.
            AgentBusy: another run did not end within `busy_wait_s`; nothing was stored.
            InvalidRequest: nothing is said, or the idempotency key stands for another request.

        A request that was sent before (the same idempotency key) is not run again: what is
        yielded are the events of its first run, from the beginning. So are those of a run that is
        queued, while others take its steps.
        """
        if not order.messages:
            raise InvalidRequest("say something: at least one message is needed", field="messages")
        meter = Meter(self._deps.monotonic_ns)
        state = self._claim(org_id, order, self._lease_ms(deadline), meter)
        if isinstance(state, Known):
            return self.follow(org_id, state.run_id, deadline=deadline)
        started = RunStarted(
            run_id=state.run.id,
            agent_id=state.agent.id,
            conversation_id=state.conversation.id,
            options=state.run.options,
        )
        terms = partial(self._terms, stream=stream, deadline=deadline)
        return _to_the_end(self._events(started, state, meter, terms))

    def attend(
        self, org_id: OrgId, order: RunOrder, *, stream: bool, deadline: float | None = None
    ) -> Generator[Event]:
        """As `start`, and when the run goes on elsewhere, follow it until the deadline."""
        events = self.start(org_id, order, stream=stream, deadline=deadline)
        return attend(self._deps, org_id, events, deadline=deadline)

    def _events(
        self, started: RunStarted, state: State, meter: Meter, terms: Callable[[Meter], Terms]
    ) -> Generator[Event]:
        yield started
        progress = Progress(state=state, more=False)
        while (going := progress.state) is not None:
            try:
                progress = yield from take_step(self._deps, going, terms(meter))
            except (LeaseLost, NotFound, StoreError) as error:
                # The input and every earlier step are stored; the sweep goes on from there.
                yield _interrupted(going, error)
                return
            if progress.state is not None and progress.handed_over:
                yield _handed_over(progress.state)
                break
            meter = Meter(self._deps.monotonic_ns)
        if progress.more:  # this run elsewhere, or runs that were queued behind it
            self._ring(state.org_id, state.conversation.id, state.run.id)

    def _terms(self, meter: Meter, *, stream: bool, deadline: float | None) -> Terms:
        deps = self._deps

        def fits_another() -> bool:
            return deadline is None or deps.monotonic() + deps.step_limit_s <= deadline

        limit = deps.monotonic() + deps.step_limit_s
        return Terms(
            stream=stream,
            deadline=limit if deadline is None else min(limit, deadline),
            go_on=fits_another,
            meter=meter,
        )

    def advance(self, org_id: OrgId, conversation_id: str, *, deadline: float) -> bool:
        """Take one step of the oldest unfinished run of a conversation: what a doorbell asks for.

        Args:
            org_id: of the conversation.
            conversation_id: may have nothing to do any more, or be deleted; then nothing happens.
            deadline: seconds of `time.monotonic` by which the step must be committed.

        Returns:
            Whether there is more to do; then the next bell has been rung.

        Raises:
            LeaseLost: another worker has it; nothing was written.
        """
        try:
            return self._advance(org_id, conversation_id, deadline)
        except NotFound:  # deleted, before the step or during it
            return False

    def _advance(self, org_id: OrgId, conversation_id: str, deadline: float) -> bool:
        deps = self._deps
        deps.reach(Point.BEFORE_CLAIM)
        meter = Meter(deps.monotonic_ns)
        with meter.span("load"):
            claim = metered(deps, meter).store.begin_step(
                org_id,
                conversation_id,
                lease_token=deps.new_token(),
                lease_ms=self._lease_ms(deadline),
            )
        if not isinstance(claim, Claimed):
            return False
        deps.reach(Point.AFTER_CLAIM)
        terms = replace(self._terms(meter, stream=False, deadline=deadline), go_on=lambda: False)
        progress = _drain(take_step(deps, claim.state, terms))
        run = claim.state.run
        if progress.more:
            self._ring(org_id, conversation_id, run.id)
        if progress.state is None and run.callback_url is not None:
            call_back(deps, org_id, run.id, deadline=deadline)
        return progress.more

    def _ring(self, org_id: OrgId, conversation_id: str, run_id: str) -> None:
        """After the commit: a bell that is lost between the two costs a sweep, nothing else."""
        self._deps.reach(Point.BEFORE_BELL)
        self._deps.dispatcher.ring(org_id, conversation_id, run_id)
        self._deps.reach(Point.AFTER_BELL)

    def _lease_ms(self, deadline: float | None) -> int:
        """A lease never outlives what its worker may still do."""
        left_s = self._deps.step_limit_s
        if deadline is not None:
            left_s = min(left_s, max(0.0, deadline - self._deps.monotonic()))
        return int((left_s + self._deps.lease_margin_s) * 1000)

    def enqueue(self, org_id: OrgId, order: RunOrder) -> Known:
        """Store a run for the background, behind what runs, and ring for it.

        Args:
            org_id: of the caller.
            order: its `background` is set.

        Returns:
            The new run, or the one that the same idempotency key has made before.

        Raises:
            NotFound, InvalidRequest, PendingApproval: as `start`; nothing was stored.
        """
        deps = self._deps
        if not order.messages:
            raise InvalidRequest("say something: at least one message is needed", field="messages")
        known = deps.store.start_run(
            org_id,
            replace(order, background=True, is_streamed=False),
            run_id=deps.new_id("run"),
            lease_token=deps.new_token(),
            lease_ms=0,
        )
        if not isinstance(known, Known):
            msg = "a queued run is neither claimed nor refused as busy"
            raise TypeError(msg)
        if known.conversation_id is not None:
            self._ring(org_id, known.conversation_id, known.run_id)
        return known

    def cancel(
        self,
        org_id: OrgId,
        *,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        run_ids: Sequence[str] | None = None,
    ) -> list[CancelledRun]:
        """Ask unfinished runs to stop, and give up what waits for an approval.

        Returns:
            The runs that were asked; empty when there was nothing to stop.
        """
        return self._deps.store.cancel_runs(
            org_id, agent_id=agent_id, conversation_id=conversation_id, run_ids=run_ids
        )

    def peek(self, org_id: OrgId, conversation_id: str) -> State:
        """What the next step in a conversation would read; for looking, not for stepping.

        Raises:
            NotFound: no such conversation.
        """
        return self._deps.store.peek_state(org_id, conversation_id)

    def compact(
        self,
        org_id: OrgId,
        conversation_id: str,
        settings: Callable[[CompactionSettings], CompactionSettings],
    ) -> Compacted:
        """See `engine.compact.compact_now`."""
        return compact_now(self._deps, org_id, conversation_id, settings)

    def follow(
        self,
        org_id: OrgId,
        run_id: str,
        *,
        after_seq: int = 0,
        poll_s: float = POLL_S,
        deadline: float | None = None,
    ) -> Generator[Event]:
        """See `engine.follow.follow`."""
        return follow(
            self._deps, org_id, run_id, after_seq=after_seq, poll_s=poll_s, deadline=deadline
        )

    def _claim(self, org_id: OrgId, order: RunOrder, lease_ms: int, meter: Meter) -> State | Known:
        """Store and claim, waiting a bounded time while another run has the conversation."""
        deps = self._deps
        run_id, token = deps.new_id("run"), deps.new_token()
        give_up = deps.monotonic() + deps.busy_wait_s
        pause, store = FIRST_LOOK_S, metered(deps, meter).store
        deps.reach(Point.BEFORE_CLAIM)
        while True:
            with meter.span("load"):
                claim = store.start_run(
                    org_id, order, run_id=run_id, lease_token=token, lease_ms=lease_ms
                )
            match claim:
                case Claimed():
                    deps.reach(Point.AFTER_CLAIM)
                    return claim.state  # the lease covers one step, from now on
                case Known():
                    return claim
                case Busy() if order.background:
                    return self.enqueue(org_id, order)
                case Busy():
                    if deps.monotonic() + pause > give_up:
                        raise AgentBusy(claim.conversation_id, claim.run_id)
                    if claim.hanging:  # its worker is gone: somebody has to end that run first
                        self._ring(org_id, claim.conversation_id, claim.run_id)
                    deps.sleep(pause)
                    pause = min(pause * 2, LAST_LOOK_S)


def _interrupted(state: State, error: AppError) -> RunEnded:
    """What a waiting caller is told when this worker cannot go on.

    The run itself goes on elsewhere, unless its agent was deleted.
    """
    is_gone = isinstance(error, NotFound)
    after = "the agent was deleted" if is_gone else f"run {state.run.id!r} goes on"
    return RunEnded(
        run_id=state.run.id,
        stop_reason=StopReason.ERROR,
        usage=state.usage,
        step_count=state.step_no - 1,
        error=RunError(type=error.code, message=f"{error.message}; {after}"),
    )


def _handed_over(state: State) -> RunHandedOver:
    return RunHandedOver(run_id=state.run.id, usage=state.usage, step_count=state.step_no - 1)


def _to_the_end(events: Generator[Event]) -> Generator[Event]:
    """The events; a listener who leaves does not end what was begun."""
    for event in events:
        try:
            yield event
        except GeneratorExit:
            for _ in events:
                pass
            raise


def _drain(step: Generator[Event, None, Progress]) -> Progress:
    """Run a step that nobody listens to."""
    while True:
        try:
            next(step)
        except StopIteration as end:
            result: Progress = end.value
            return result
