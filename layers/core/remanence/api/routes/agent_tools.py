"""The tools of an agent."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AliasChoices, BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.ids import AgentIdPath, ToolIdPath
from remanence.api.pages import page_of
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.tool_requests import ToolExecutionResult, ToolRunRequest, ran_to_wire
from remanence.api.wire.tools import ToolState, tool_to_wire
from remanence.core.types import ToolRule
from remanence.db.catalog_agents import AgentView
from remanence.db.catalog_tools import ToolFilter
from remanence.db.paging import Page
from remanence.errors import InvalidRequest

router = APIRouter(tags=["agents: tools"])

# How long a tool that is run by hand may take, in seconds: less than API Gateway waits.
_RUN_LIMIT_S = 25.0


@router.get("/v1/agents/{agent_id}/tools")
def list_agent_tools(
    agent_id: AgentIdPath, page: Annotated[Page, page_of("tool", limit=10)], call: ThisCall
) -> list[ToolState]:
    """List the tools of an agent."""
    catalog = call.deps.catalog
    tools = catalog.tools.list_tools(call.org_id, ToolFilter(agent_id=agent_id), page)
    if not tools:
        catalog.agents.load_agent(call.org_id, agent_id, ())
    return [tool_to_wire(tool) for tool in tools]


@router.patch("/v1/agents/{agent_id}/tools/attach/{tool_id}")
def attach_tool(agent_id: AgentIdPath, tool_id: ToolIdPath, call: ThisCall) -> AgentState | None:
    """Attach a tool; one that is attached already stays."""
    view = call.deps.catalog.agents.link_tool(call.org_id, agent_id, tool_id, attach=True)
    return _answer(view, call)


@router.patch("/v1/agents/{agent_id}/tools/detach/{tool_id}")
def detach_tool(agent_id: AgentIdPath, tool_id: ToolIdPath, call: ThisCall) -> AgentState | None:
    """Detach a tool; one that is not attached is no error."""
    view = call.deps.catalog.agents.link_tool(call.org_id, agent_id, tool_id, attach=False)
    return _answer(view, call)


class Approval(BaseModel):
    """Whether calls of a tool wait for approval."""

    requires_approval: bool = Field(
        # Node's SDK of 1.12.1 sends its parameter under the name that it has there.
        validation_alias=AliasChoices("requires_approval", "body_requires_approval"),
        description="Whether calls wait.",
    )


@router.patch("/v1/agents/{agent_id}/tools/approval/{tool_name}")
def update_tool_approval(
    agent_id: AgentIdPath,
    tool_name: str,
    call: ThisCall,
    body: Approval | None = None,
    requires_approval: Annotated[bool | None, Query(description="Old form of the body.")] = None,
) -> AgentState | None:
    """Have calls of a tool wait for approval, or not."""
    wanted = body.requires_approval if body is not None else requires_approval
    if wanted is None:
        raise InvalidRequest("requires_approval is required", field="requires_approval")
    rule = ToolRule(type="requires_approval", tool_name=tool_name)
    view = call.deps.catalog.agents.set_tool_approval(
        call.org_id, agent_id, rule, requires_approval=wanted
    )
    return _answer(view, call)


@router.post("/v1/agents/{agent_id}/tools/{tool_name}/run")
def run_tool_for_agent(
    agent_id: AgentIdPath, tool_name: str, body: ToolRunRequest, call: ThisCall
) -> ToolExecutionResult:
    """Run a tool of an agent by hand; what a built-in one changes is an edit like any other."""
    deps = call.deps
    ran = deps.tool_desk.run(
        call.org_id, agent_id, tool_name, body.args, deadline=deps.monotonic() + _RUN_LIMIT_S
    )
    return ran_to_wire(ran)


def _answer(view: AgentView, call: Call) -> AgentState | None:
    """SDKs of version 1 and later are told nothing."""
    return None if call.is_sdk else agent_to_wire(view)
