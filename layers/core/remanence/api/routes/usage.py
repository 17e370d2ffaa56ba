"""What model calls have used, and the caps on it."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.ids import AgentIdPath
from remanence.api.wire.usage import CapsFields, UsageReport, caps_to_wire, report_of
from remanence.core.spend import Unpriced, unpriced_message
from remanence.db.spending import UsageFilter
from remanence.errors import InvalidRequest

router = APIRouter(tags=["usage"])


class UsageQuery(BaseModel):
    """Which calls, and what is told apart of them."""

    agent_id: str | None = Field(default=None, description="Only of this agent.")
    model: str | None = Field(default=None, description="Only of this model (provider/model).")
    start_date: date | None = Field(default=None, description="From this day on (UTC).")
    end_date: date | None = Field(default=None, description="Before this day (UTC).")
    group_by: list[Literal["day", "agent", "model"]] = Field(
        default=["day"], description="What is told apart; give it several times for several."
    )

    def to_filter(self) -> UsageFilter:
        """The filter for the database."""
        return UsageFilter(
            agent_id=self.agent_id,
            model=self.model,
            start_day=self.start_date,
            end_day=self.end_date,
            by_day="day" in self.group_by,
            by_agent="agent" in self.group_by,
            by_model="model" in self.group_by,
        )


@router.get("/v1/usage/")
def read_usage(query: Annotated[UsageQuery, Query()], call: ThisCall) -> UsageReport:
    """Sum what model calls have used; deleted agents count too."""
    return report_of(call.deps.spending.list_usage(call.org_id, query.to_filter()))


@router.get("/v1/usage/caps")
def read_org_caps(call: ThisCall) -> CapsFields:
    """Read the caps of the organization."""
    caps, _ = call.deps.spending.load_caps(call.org_id, None)
    return caps_to_wire(caps)


@router.put("/v1/usage/caps")
def set_org_caps(body: CapsFields, call: ThisCall) -> CapsFields:
    """Replace the caps of the organization; an empty object takes them away."""
    call.deps.spending.set_caps(call.org_id, None, body.to_core())
    return caps_to_wire(body.to_core())


@router.get("/v1/usage/caps/{agent_id}")
def read_agent_caps(agent_id: AgentIdPath, call: ThisCall) -> CapsFields:
    """Read the caps of an agent."""
    caps, _ = call.deps.spending.load_caps(call.org_id, agent_id)
    return caps_to_wire(caps)


@router.put("/v1/usage/caps/{agent_id}")
def set_agent_caps(agent_id: AgentIdPath, body: CapsFields, call: ThisCall) -> CapsFields:
    """Replace the caps of an agent; an empty object takes them away."""
    caps = body.to_core()
    if caps.in_dollars:
        _, model = call.deps.spending.load_caps(call.org_id, agent_id)
        if call.models.price(model or "") is None:
            message = unpriced_message(Unpriced(scope="agent"), model or "", agent_id)
            raise InvalidRequest(message, field="usd")
    call.deps.spending.set_caps(call.org_id, agent_id, caps)
    return caps_to_wire(caps)
