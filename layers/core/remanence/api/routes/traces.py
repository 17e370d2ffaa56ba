"""Traces: what is known of a step's model call and of the course of a run.

Prompts and replies are not kept a second time: a trace names versions and ids, and the messages
are in the history. A step's request is compiled again when somebody asks for it.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from remanence.api.deps import ThisCall
from remanence.api.ids import RunIdPath, StepIdPath
from remanence.api.pages import MAX_LIMIT
from remanence.api.wire.traces import (
    ProviderTrace,
    StepRequest,
    request_to_wire,
    run_spans,
    trace_to_wire,
)
from remanence.core.replay import replay
from remanence.db.history import StepFilter
from remanence.db.paging import Page

router = APIRouter(tags=["traces"])


@router.get("/v1/steps/{step_id}/trace")
def read_step_trace(step_id: StepIdPath, call: ThisCall) -> ProviderTrace:
    """Read what a step's request was compiled from, and what came of it."""
    step, receipt = call.deps.receipts.load_receipt(call.org_id, step_id)
    return trace_to_wire(step, receipt, call.org_id)


@router.get("/v1/steps/{step_id}/request")
def read_step_request(step_id: StepIdPath, call: ThisCall) -> StepRequest:
    """Compile a step's request again, byte for byte, out of what its receipt names.

    A step whose history was deleted or changed since, or that asked no model, is refused: what is
    shown is what was sent.
    """
    deps = call.deps
    kept = deps.receipts.load_kept(call.org_id, step_id)
    return request_to_wire(replay(kept, deps.zones), kept)


@router.get("/v1/runs/{run_id}/trace")
def read_run_trace(
    run_id: RunIdPath,
    call: ThisCall,
    limit: Annotated[int, Query(ge=1, description="Spans at most.")] = MAX_LIMIT,
) -> list[dict[str, Any]]:
    """Read the course of a run as spans: the run itself, then its steps in order."""
    history = call.deps.history
    run = history.find_run(call.org_id, run_id)
    page = Page(limit=min(limit, MAX_LIMIT), order="asc")
    steps = history.list_steps(call.org_id, page, StepFilter(run_id=run_id))
    return run_spans(run, steps)[:limit]
