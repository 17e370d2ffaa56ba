"""Steps: the model calls of runs, what they cost, and what callers think of them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.ids import StepIdPath
from remanence.api.pages import page_of
from remanence.api.wire.instants import Instant
from remanence.api.wire.message_types import MESSAGE_LIST
from remanence.api.wire.messages import View, WireMessage, to_wire_all
from remanence.api.wire.runs import (
    FeedbackRequest,
    StepMetrics,
    StepState,
    metrics_to_wire,
    step_to_wire,
)
from remanence.db.history import StepFilter
from remanence.db.paging import Page

router = APIRouter(tags=["steps"])


class StepQuery(BaseModel):
    """The filters of a list of steps."""

    agent_id: str | None = None
    model: str | None = Field(default=None, description="A handle, or the name in it.")
    feedback: Literal["positive", "negative"] | None = None
    has_feedback: bool | None = None
    start_date: Instant | None = Field(default=None, description="Not before; inclusive.")
    end_date: Instant | None = Field(default=None, description="Not after; inclusive.")
    tags: list[str] | None = Field(default=None, description="Any of these.")
    trace_ids: list[str] | None = Field(default=None, description="Finds nothing: none is kept.")
    project_id: str | None = Field(default=None, description="Finds nothing: there are none.")

    def finds_nothing(self) -> bool:
        """Whether it asks for what no step here has."""
        return bool(self.trace_ids or self.project_id)

    def to_filter(self) -> StepFilter:
        """The filter for the database."""
        return StepFilter(
            agent_id=self.agent_id,
            model=self.model,
            feedback=self.feedback,
            has_feedback=self.has_feedback,
            started_from=self.start_date,
            started_to=self.end_date,
            tags=self.tags or None,
        )


@router.get("/v1/steps/")
def list_steps(
    query: Annotated[StepQuery, Query()],
    page: Annotated[Page, page_of("step")],
    call: ThisCall,
) -> list[StepState]:
    """List steps, the newest first."""
    if query.finds_nothing():
        return []
    steps = call.deps.history.list_steps(call.org_id, page, query.to_filter())
    return [step_to_wire(step) for step in steps]


@router.get("/v1/steps/{step_id}")
def read_step(step_id: StepIdPath, call: ThisCall) -> StepState:
    """Read one step."""
    return step_to_wire(call.deps.history.find_step(call.org_id, step_id))


@router.get("/v1/steps/{step_id}/messages", response_model=None, responses=MESSAGE_LIST)
def list_step_messages(
    step_id: StepIdPath,
    call: ThisCall,
    page: Annotated[Page, page_of("message", limit=100, order="asc")],
) -> list[WireMessage]:
    """List the messages a step wrote."""
    view = View()
    messages = call.deps.history.list_step_messages(
        call.org_id, step_id, page, speech_tool=view.speech.tool_name
    )
    return to_wire_all(messages, view)


@router.get("/v1/steps/{step_id}/metrics")
def read_step_metrics(step_id: StepIdPath, call: ThisCall) -> StepMetrics:
    """Read how long a step took."""
    return metrics_to_wire(call.deps.history.find_step(call.org_id, step_id))


@router.patch("/v1/steps/{step_id}/feedback")
def give_feedback(step_id: StepIdPath, body: FeedbackRequest, call: ThisCall) -> StepState:
    """Say what you think of a step."""
    step = call.deps.history.set_feedback(call.org_id, step_id, body.feedback, body.tags)
    return step_to_wire(step)
