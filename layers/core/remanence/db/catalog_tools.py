"""Tools in the database, as the API reads them.

Path: api/routes/tools.py, agent_tools.py -> Tools -> db/sql. Built-in tools are rows like others,
put there by db/seed.py.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from remanence.db.paging import list_page
from remanence.db.rows import tool_from_row
from remanence.errors import NotFound

if TYPE_CHECKING:
    from remanence.core.ids import OrgId
    from remanence.core.types import Tool
    from remanence.db.paging import Page
    from remanence.db.queries import Queries


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFilter:
    """Which tools a list shows; None: no matter. `agent_id`: attached to this agent."""

    agent_id: str | None = None
    query_text: str | None = None
    names: list[str] | None = None
    tool_ids: list[str] | None = None
    tool_types: list[str] | None = None
    excluded_types: list[str] | None = None
    only_builtin: bool = False


class Tools:
    """The tools of the catalog."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def load_tool(self, org_id: OrgId, tool_id: str) -> Tool:
        """A tool.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("load_tool", org_id, tool_id=tool_id)
        if row is None:
            raise NotFound("tool", tool_id)
        return tool_from_row(row["tool"])

    def list_tools(self, org_id: OrgId, wanted: ToolFilter, page: Page) -> list[Tool]:
        """One page of the tools that pass the filter.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(self._queries, "list_tools", org_id, page, **asdict(wanted))
        return [tool_from_row(row["tool"]) for row in rows]
