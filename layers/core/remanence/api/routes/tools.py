"""Tools of the organization: the built-in ones, and custom ones of its own."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.ids import ToolIdPath
from remanence.api.pages import page_of
from remanence.api.wire.tool_requests import ToolCreate, ToolSearch, ToolUpdate
from remanence.api.wire.tools import ToolFound, ToolState, tool_to_wire
from remanence.core.ids import ToolId
from remanence.core.tool_specs import rank_tools
from remanence.db.catalog_tools import ToolFilter
from remanence.db.paging import Page

router = APIRouter(tags=["tools"])

# An organization has tens of tools; a search looks at no more than this.
_MOST_SEARCHED = 1000
_SEPARATED = "May be given several times, or separated by commas."


class ToolQuery(BaseModel):
    """The filters of a list of tools."""

    name: str | None = Field(default=None, description="Exactly this name.")
    names: list[str] | None = Field(default=None, description="One of these names.")
    search: str | None = Field(default=None, description="A part of the name.")
    tool_ids: list[str] | None = Field(default=None, description=_SEPARATED)
    tool_types: list[str] | None = Field(default=None, description=_SEPARATED)
    exclude_tool_types: list[str] | None = Field(default=None, description=_SEPARATED)
    return_only_letta_tools: bool | None = Field(default=None, description="Built-in ones only.")

    def to_filter(self) -> ToolFilter:
        """The filter for the catalog."""
        names = [*(self.names or ()), *([self.name] if self.name is not None else ())]
        return ToolFilter(
            names=names or None,
            query_text=self.search,
            tool_ids=_separated(self.tool_ids),
            tool_types=_separated(self.tool_types),
            excluded_types=_separated(self.exclude_tool_types),
            only_builtin=bool(self.return_only_letta_tools),
        )


def _separated(values: list[str] | None) -> list[str] | None:
    parts = [part.strip() for value in values or () for part in value.split(",")]
    return [part for part in parts if part] or None


@router.get("/v1/tools/")
def list_tools(
    query: Annotated[ToolQuery, Query()],
    page: Annotated[Page, page_of("tool")],
    call: ThisCall,
) -> list[ToolState]:
    """List tools."""
    tools = call.deps.catalog.tools.list_tools(call.org_id, query.to_filter(), page)
    return [tool_to_wire(tool) for tool in tools]


@router.get("/v1/tools/{tool_id}")
def retrieve_tool(tool_id: ToolIdPath, call: ThisCall) -> ToolState:
    """Read a tool."""
    return tool_to_wire(call.deps.catalog.tools.load_tool(call.org_id, tool_id))


@router.post("/v1/tools/")
def create_tool(body: ToolCreate, call: ThisCall) -> ToolState:
    """Make a custom tool from Python source; one of the same name becomes this one."""
    return _stored(body, call)


@router.put("/v1/tools/")
def upsert_tool(body: ToolCreate, call: ThisCall) -> ToolState:
    """Make a custom tool from Python source, or replace the one of the same name."""
    return _stored(body, call)


def _stored(body: ToolCreate, call: Call) -> ToolState:
    deps = call.deps
    tool = body.to_tool(ToolId(deps.new_id("tool")), deps.tool_requirements)
    return tool_to_wire(deps.catalog.tools.upsert_tool(call.org_id, tool, body.given()))


@router.post("/v1/tools/search")
def search_tools(body: ToolSearch, call: ThisCall) -> list[ToolFound]:
    """Find tools by words of their name, description and tags."""
    wanted = ToolFilter(tool_types=body.tool_types or None)
    tools = call.deps.catalog.tools.list_tools(call.org_id, wanted, Page(limit=_MOST_SEARCHED))
    if body.tags:
        tools = [tool for tool in tools if set(tool.tags) & set(body.tags)]
    found = rank_tools(body.query or "", tools)[: body.limit]
    return [
        ToolFound(tool=tool_to_wire(tool), combined_score=score, fts_rank=place)
        for place, (tool, score) in enumerate(found, start=1)
    ]


@router.patch("/v1/tools/{tool_id}")
def modify_tool(tool_id: ToolIdPath, body: ToolUpdate, call: ThisCall) -> ToolState:
    """Change a custom tool; agents that have it see it at their next step."""
    installed = call.deps.tool_requirements
    tool = call.deps.catalog.tools.update_tool(
        call.org_id, tool_id, lambda known: body.applied_to(known, installed)
    )
    return tool_to_wire(tool)


@router.delete("/v1/tools/{tool_id}")
def delete_tool(tool_id: ToolIdPath, call: ThisCall) -> dict[str, str]:
    """Delete a custom tool; the agents that have it lose it."""
    call.deps.catalog.tools.delete_tool(call.org_id, tool_id)
    return {"message": f"Tool id={tool_id} successfully deleted"}
