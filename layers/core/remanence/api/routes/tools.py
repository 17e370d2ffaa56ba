"""Tools of the organization. Making and changing one's own is in routes/unserved.py, for now."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.ids import ToolIdPath
from remanence.api.pages import page_of
from remanence.api.wire.tools import ToolState, tool_to_wire
from remanence.db.catalog_tools import ToolFilter
from remanence.db.paging import Page

router = APIRouter(tags=["tools"])

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
