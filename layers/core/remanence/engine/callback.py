"""Telling a caller that its run is over, and trying again when it could not be reached.

Path: engine.run.advance after the commit that ends a run, or engine.compact.sweep for what was
lost or failed -> call_back -> store, dispatch.callback.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from remanence.core.callbacks import callback_body, pause_after
from remanence.engine.points import Point
from remanence.errors import AppError

if TYPE_CHECKING:
    from remanence.core.ids import OrgId
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# What one try may take, in seconds; whoever ends a run waits for it.
TRY_LIMIT_S = 5.0
# With less time than this a try is left to the sweep.
LEAST_S = 1.0
# A sender that has not said how it went after this long has died.
HOLD_S = 60


def call_back(deps: EngineDeps, org_id: OrgId, run_id: str, *, deadline: float) -> bool:
    """Tell the caller of a run that it is over, if that is due; never raises for a failure.

    Args:
        deps: the world.
        org_id: of the run.
        run_id: it may be told already, or be told right now by somebody else.
        deadline: seconds of `time.monotonic`; with too little time nothing is tried.

    Returns:
        Whether the caller was reached and agreed.
    """
    limit_s = min(TRY_LIMIT_S, deadline - deps.monotonic())
    if deps.caller is None or limit_s < LEAST_S:
        return False
    try:
        due = deps.store.claim_callback(org_id, run_id, hold_s=HOLD_S)
        if due is None:
            return False
        deps.reach(Point.BEFORE_CALLBACK)
        answer = deps.caller.call(due, callback_body(due), timeout_s=limit_s)
        deps.reach(Point.AFTER_CALLBACK)
        pause_s = pause_after(due, answer)
        deps.store.record_callback(org_id, run_id, answer, pause_s=pause_s)
    except AppError as error:
        log.warning("the callback of run %s waits for the sweep: %s", run_id, error.code)
        return False
    if not answer.is_done:
        log.warning("the callback of run %s failed at try %s", run_id, due.tries)
    return answer.is_done
