"""Tools in the database, as the API reads and changes them.

Path: api/routes/tools.py, agent_tools.py -> Tools -> db/sql. Built-in tools are rows like others,
put there by db/seed.py; only custom ones can be changed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from remanence.db.outcomes import Stale, call_catalog
from remanence.db.paging import list_page
from remanence.db.rows import tool_from_row
from remanence.db.step_rows import block_changes_to_row, passage_to_row
from remanence.errors import Conflict, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from remanence.core.calls import BlockChanges
    from remanence.core.exchange import JsonObject
    from remanence.core.findings import NewPassage
    from remanence.core.ids import OrgId
    from remanence.core.types import Tool
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row

# Others would have to change the same tool that often in a row for an update to give up.
_UPDATE_TRIES = 5


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
        return tool_from_row(self._row(org_id, tool_id))

    def load_tool_to_run(
        self, org_id: OrgId, tool_id: str, agent_id: str
    ) -> tuple[Tool, dict[str, str]]:
        """A tool with its source, and the sealed secrets of the agent that runs it, by name.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("load_tool_to_run", org_id, tool_id=tool_id, agent_id=agent_id)
        if row is None:
            raise NotFound("tool", tool_id)
        return tool_from_row(row["tool"]), row["secrets"]

    def _row(self, org_id: OrgId, tool_id: str) -> Row:
        row = self._queries.one("load_tool", org_id, tool_id=tool_id)
        if row is None:
            raise NotFound("tool", tool_id)
        found: Row = row["tool"]
        return found

    def list_tools(self, org_id: OrgId, wanted: ToolFilter, page: Page) -> list[Tool]:
        """One page of the tools that pass the filter.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(self._queries, "list_tools", org_id, page, **asdict(wanted))
        return [tool_from_row(row["tool"]) for row in rows]

    def upsert_tool(self, org_id: OrgId, tool: Tool, given: Collection[str]) -> Tool:
        """Store a custom tool; one of the same name becomes this one and keeps its id.

        Args:
            org_id: whose tool it is.
            tool: as it shall be.
            given: which of tags, return_char_limit and default_requires_approval a tool that is
                there already takes over; the others it keeps, as it keeps its metadata.

        Raises:
            Conflict: a built-in tool has this name.
        """
        answer = call_catalog(
            self._queries, "upsert_tool", org_id=org_id, tool=_to_row(tool), given=[*given]
        )
        return tool_from_row(answer["tool"])

    def update_tool(self, org_id: OrgId, tool_id: str, change: Callable[[Tool], Tool]) -> Tool:
        """Change a custom tool: read it, let `change` say what it shall be, write that.

        Raises:
            NotFound: there is none with this id.
            Conflict: it is built in; another tool has the new name; or others are always faster.
        """
        for _ in range(_UPDATE_TRIES):
            row = self._row(org_id, tool_id)
            try:
                answer = call_catalog(
                    self._queries,
                    "update_tool",
                    org_id=org_id,
                    base_updated_at=row["updated_at"],
                    tool=_to_row(change(tool_from_row(row))),
                )
            except Stale:
                continue
            return tool_from_row(answer["tool"])
        raise Conflict(f"tool {tool_id!r} is being changed by others; nothing was changed here")

    def delete_tool(self, org_id: OrgId, tool_id: str) -> None:
        """Delete a custom tool; the agents that have it lose it.

        Raises:
            NotFound: there is none with this id.
            Conflict: it is built in.
        """
        call_catalog(self._queries, "delete_tool", org_id=org_id, tool_id=tool_id)

    def write_tool_effects(
        self,
        org_id: OrgId,
        agent_id: str,
        changes: BlockChanges,
        passages: Sequence[NewPassage],
        *,
        new_archive_id: str,
    ) -> bool:
        """Write what a built-in tool did outside of a step; False when a block has changed since.

        Raises:
            NotFound: the agent.
        """
        try:
            call_catalog(
                self._queries,
                "write_tool_effects",
                org_id=org_id,
                agent_id=agent_id,
                blocks=block_changes_to_row(changes),
                passages=[passage_to_row(passage) for passage in passages],
                new_archive_id=new_archive_id,
            )
        except Stale:
            return False
        return True


def _to_row(tool: Tool) -> JsonObject:
    """The columns of a custom tool."""
    return {
        "id": tool.id,
        "name": tool.name,
        "description": tool.description,
        "tool_type": tool.tool_type,
        "parameters": tool.parameters,
        "source_code": tool.source_code,
        "return_char_limit": tool.return_char_limit,
        "default_requires_approval": tool.requires_approval,
        "tags": list(tool.tags),
        "metadata": tool.metadata,
        "extras": tool.extras,
    }
