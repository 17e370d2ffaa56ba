"""Runs: what was asked of agents, how it goes and how it went."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.ids import RunIdPath
from remanence.api.pages import page_of
from remanence.api.resuming import ResumeRequest, resumed
from remanence.api.wire.message_types import MESSAGE_LIST
from remanence.api.wire.messages import View, WireMessage, to_wire_all
from remanence.api.wire.problems import STREAMED
from remanence.api.wire.runs import (
    RunState,
    StepState,
    UsageState,
    run_to_wire,
    step_to_wire,
    usage_to_wire,
)
from remanence.core.types import RunStatus, StopReason
from remanence.db.history import RunFilter, StepFilter
from remanence.db.paging import Page

router = APIRouter(tags=["runs"])


class RunQuery(BaseModel):
    """The filters of a list of runs."""

    agent_id: str | None = None
    agent_ids: list[str] | None = Field(default=None, description="Old form of agent_id.")
    statuses: list[RunStatus] | None = Field(default=None, description="Any of these.")
    stop_reason: StopReason | None = None
    conversation_id: str | None = None
    background: bool | None = None
    active: bool = Field(default=False, description="Only runs that are not over.")
    ascending: bool = Field(default=False, description="Old form of order=asc.")

    def to_filter(self) -> RunFilter:
        """The filter for the database."""
        return RunFilter(
            agent_ids=[self.agent_id] if self.agent_id else self.agent_ids or None,
            statuses=self.statuses or None,
            conversation_id=self.conversation_id,
            stop_reason=self.stop_reason,
            background=self.background,
            active=self.active,
        )


@router.get("/v1/runs/")
def list_runs(
    query: Annotated[RunQuery, Query()],
    page: Annotated[Page, page_of("run", limit=100)],
    call: ThisCall,
) -> list[RunState]:
    """List runs, the newest first."""
    if query.ascending:
        page = replace(page, order="asc")
    records = call.deps.history.list_runs(call.org_id, page, query.to_filter())
    return [run_to_wire(record) for record in records]


@router.get("/v1/runs/{run_id}")
def read_run(run_id: RunIdPath, call: ThisCall) -> RunState:
    """Read one run."""
    return run_to_wire(call.deps.history.find_run(call.org_id, run_id))


@router.get("/v1/runs/{run_id}/messages", response_model=None, responses=MESSAGE_LIST)
def list_run_messages(
    run_id: RunIdPath,
    call: ThisCall,
    page: Annotated[Page, page_of("message", limit=100, order="asc")],
) -> list[WireMessage]:
    """List the messages of a run, its input first."""
    view = View()
    messages = call.deps.history.list_run_messages(
        call.org_id, run_id, page, speech_tool=view.speech.tool_name
    )
    return to_wire_all(messages, view)


@router.get("/v1/runs/{run_id}/steps")
def list_run_steps(
    run_id: RunIdPath, call: ThisCall, page: Annotated[Page, page_of("step", limit=100)]
) -> list[StepState]:
    """List the steps of a run, the newest first."""
    wanted = StepFilter(run_id=run_id)
    return [step_to_wire(step) for step in call.deps.history.list_steps(call.org_id, page, wanted)]


@router.get("/v1/runs/{run_id}/usage")
def read_run_usage(run_id: RunIdPath, call: ThisCall) -> UsageState:
    """Read the tokens of all steps of a run together."""
    return usage_to_wire(call.deps.history.run_usage(call.org_id, run_id))


class ResumeRunRequest(ResumeRequest):
    """From where to follow the run in the path, and how."""

    agent_id: str | None = Field(default=None, description="Without effect: the path names it.")
    otid: str | None = Field(default=None, description="Without effect: the path names the run.")
    run_id: str | None = Field(default=None, description="Without effect: the path names the run.")


@router.post("/v1/runs/{run_id}/stream", response_model=None, responses=STREAMED)
def stream_run(run_id: RunIdPath, call: ThisCall, body: ResumeRunRequest | None = None) -> Response:
    """Follow a run from any place to its end, as server-sent events, whoever is working on it."""
    return resumed(run_id, body or ResumeRequest(), call)
