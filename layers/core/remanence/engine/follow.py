"""Following a run that somebody else is stepping, or that is over: its events, out of the rows.

Path: api.routes.resume; Engine.start for a request that was sent before or is queued; and `attend`,
when a run goes on elsewhere. What a run has said is in the messages it committed, so every run can
be followed from any place, by any process, as long as its messages exist; nothing else is written
for it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from remanence.core.events import (
    RunEnded,
    RunError,
    RunHandedOver,
    RunStarted,
    StepStored,
    Waiting,
)
from remanence.core.types import StopReason
from remanence.errors import LeaseLost, NotFound, RunGone, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from remanence.core.claims import RunProgress
    from remanence.core.events import Event
    from remanence.core.ids import OrgId
    from remanence.engine.deps import EngineDeps

# How long a follower waits between two looks, in seconds, unless it says otherwise.
POLL_S = 0.5
# How long a run may hang before its follower rings for it, in seconds, rather than wait for the
# sweep to find it. A healthy run hangs for as long as a bell takes.
RING_AFTER_S = 5.0
# How many looks in a row may find the database away before its follower gives up.
UNANSWERED_LOOKS = 60
FINISHED = frozenset({"completed", "failed", "cancelled"})


def follow(
    deps: EngineDeps,
    org_id: OrgId,
    run_id: str,
    *,
    after_seq: int = 0,
    poll_s: float = POLL_S,
    deadline: float | None = None,
) -> Generator[Event]:
    """The events of a run from a place on, until it is over.

    Args:
        deps: the world.
        org_id: of the caller.
        run_id: any run of the organization.
        after_seq: only messages behind this place in the conversation.
        poll_s: seconds between two looks.
        deadline: seconds of `time.monotonic`; then it ends with RunHandedOver, to be resumed.

    Yields:
        RunStarted, StepStored for each step that is committed, a Waiting for each look without
        one, and RunEnded or RunHandedOver.

    Raises:
        NotFound: no such run; with the first event.
        RunGone: its messages were deleted; with the first event.
    """
    progress = deps.store.load_run_progress(org_id, run_id, after_seq=after_seq)
    if progress.is_gone:
        raise RunGone(run_id)
    run = progress.run
    yield RunStarted(
        run_id=run_id,
        agent_id=run.agent_id,
        conversation_id=run.conversation_id,
        options=run.options,
    )
    try:
        yield from _rest(
            deps, org_id, progress, after_seq=after_seq, poll_s=poll_s, deadline=deadline
        )
    except NotFound as error:  # its agent or conversation was deleted meanwhile
        ended = RunError(type=error.code, message=error.message)
        yield replace(_end(progress), stop_reason=StopReason.ERROR, error=ended)


def _rest(
    deps: EngineDeps,
    org_id: OrgId,
    progress: RunProgress,
    *,
    after_seq: int,
    poll_s: float,
    deadline: float | None,
) -> Iterator[Event]:
    """What follows after RunStarted, from the first look on."""
    run = progress.run
    watch = _Watch(
        deps.monotonic, lambda: deps.dispatcher.ring(org_id, run.conversation_id, run.id)
    )
    unanswered = 0
    while True:
        yield from _steps(progress)
        if progress.run.status in FINISHED:
            yield _end(progress)
            return
        if deadline is not None and deps.monotonic() + poll_s >= deadline:
            yield RunHandedOver(run_id=run.id, usage=progress.usage, step_count=progress.step_count)
            return
        if progress.messages:
            after_seq = progress.messages[-1].seq or after_seq
        else:
            yield Waiting()
        watch.see(is_hanging=progress.is_hanging)
        deps.sleep(poll_s)
        try:
            progress = deps.store.load_run_progress(org_id, run.id, after_seq=after_seq)
            unanswered = 0
        except StoreUnavailable:
            # A database that is away for a moment has nothing new.
            unanswered += 1
            if unanswered > UNANSWERED_LOOKS:
                raise
            progress = replace(progress, messages=())


class _Watch:
    """Rings for a run that hangs, and again each time it has hung as long since."""

    def __init__(self, monotonic: Callable[[], float], ring: Callable[[], None]) -> None:
        self._monotonic = monotonic
        self._ring = ring
        self._since: float | None = None

    def see(self, *, is_hanging: bool) -> None:
        """Take note of one look."""
        now = self._monotonic()
        if not is_hanging or self._since is None:
            self._since = now if is_hanging else None
        elif now - self._since >= RING_AFTER_S:
            self._ring()
            self._since = now


def attend(
    deps: EngineDeps, org_id: OrgId, events: Generator[Event], *, deadline: float | None
) -> Generator[Event]:
    """The events of a run to its end, also of the steps that others take of it.

    Args:
        deps: the world.
        org_id: of the caller.
        events: of a run that this worker has begun. Who stops listening does not stop it.
        deadline: seconds of `time.monotonic`; then it ends with RunHandedOver, to be resumed.
    """
    run_id, after_seq = "", 0
    with closing(events):
        for event in events:
            match event:
                case RunStarted():
                    run_id = event.run_id
                case StepStored(messages=[*_, newest]):
                    after_seq = newest.seq or after_seq
                case RunHandedOver() | RunEnded(error=RunError(type=LeaseLost.code)):
                    break
                case _:
                    pass
            yield event
        else:
            return
    following = follow(deps, org_id, run_id, after_seq=after_seq, deadline=deadline)
    next(following)  # that it has started was told before
    yield from following


def _steps(progress: RunProgress) -> Iterator[Event]:
    for step_id, messages in groupby(progress.messages, key=lambda message: message.step_id):
        yield StepStored(
            step_id=step_id or "",
            messages=tuple(messages),
            compaction=progress.compactions.get(step_id or ""),
        )


def _end(progress: RunProgress) -> RunEnded:
    return RunEnded(
        run_id=progress.run.id,
        stop_reason=StopReason(progress.run.stop_reason or StopReason.ERROR),
        usage=progress.usage,
        step_count=progress.step_count,
        error=progress.error,
    )
