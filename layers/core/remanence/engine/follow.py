"""Following a run that somebody else is stepping, or that is over: its events, out of the rows.

Path: api.routes.runs, and Engine.start for a request that was sent before. What a run has said is
in the messages it committed, so every run can be followed from any place, by any process, as long
as its messages exist; nothing else is written for it.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from remanence.core.events import RunEnded, RunStarted, StepStored
from remanence.core.types import StopReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.claims import RunProgress
    from remanence.core.events import Event
    from remanence.core.ids import OrgId
    from remanence.engine.deps import EngineDeps

# How long a follower waits between two looks, in seconds, unless it says otherwise.
POLL_S = 0.5
FINISHED = frozenset({"completed", "failed", "cancelled"})


def follow(
    deps: EngineDeps,
    org_id: OrgId,
    run_id: str,
    *,
    after_seq: int = 0,
    poll_s: float = POLL_S,
    deadline: float | None = None,
) -> Iterator[Event]:
    """The events of a run from a place on, until it is over.

    Args:
        deps: the world.
        org_id: of the caller.
        run_id: any run of the organization.
        after_seq: only messages behind this place in the conversation.
        poll_s: seconds between two looks.
        deadline: seconds of `time.monotonic`; then it ends without a RunEnded, to be resumed.

    Raises:
        NotFound: no such run; with the first event.
    """
    progress = deps.store.load_run_progress(org_id, run_id, after_seq=after_seq)
    yield RunStarted(
        run_id=run_id,
        agent_id=progress.run.agent_id,
        conversation_id=progress.run.conversation_id,
    )
    while True:
        yield from _steps(progress)
        if progress.run.status in FINISHED:
            yield _end(progress)
            return
        if deadline is not None and deps.monotonic() + poll_s >= deadline:
            return
        if progress.messages:
            after_seq = progress.messages[-1].seq or after_seq
        deps.sleep(poll_s)
        progress = deps.store.load_run_progress(org_id, run_id, after_seq=after_seq)


def _steps(progress: RunProgress) -> Iterator[Event]:
    for step_id, messages in groupby(progress.messages, key=lambda message: message.step_id):
        yield StepStored(step_id=step_id or "", messages=tuple(messages))


def _end(progress: RunProgress) -> RunEnded:
    return RunEnded(
        run_id=progress.run.id,
        stop_reason=StopReason(progress.run.stop_reason or StopReason.ERROR),
        usage=progress.usage,
        step_count=progress.step_count,
        error=progress.error,
    )
