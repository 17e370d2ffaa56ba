"""Agents that were made elsewhere, stored with their tools and history, all or nothing.

Path: api/routes/agent_files.py -> Imports -> db/sql/import_agents.sql. One round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.db.catalog_rows import agent_to_row, block_to_row
from remanence.db.outcomes import call_catalog
from remanence.db.rows import message_to_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.summaries import Summary
    from remanence.core.types import Tool
    from remanence.db.catalog_agents import NewAgent
    from remanence.db.queries import Queries


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedAgent:
    """An agent with its history.

    `new.messages` is the whole history in order, whose messages from `window_from_seq` on (from 1)
    are in context; `summaries` stand for those before.
    """

    new: NewAgent
    window_from_seq: int = 1
    summaries: tuple[Summary, ...] = ()


class Imports:
    """Stores what came out of agent files."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def import_agents(
        self,
        org_id: OrgId,
        agents: Sequence[ImportedAgent],
        tools: Sequence[Tool],
        *,
        override_existing_tools: bool,
    ) -> list[str]:
        """Store custom tools and agents; the same ids again change nothing.

        Returns:
            The ids of the agents, in order.

        Raises:
            NotFound: a tool that an agent names is neither here nor among `tools`.
            Conflict: two blocks of an agent have the same label. Nothing was stored.
        """
        answer = call_catalog(
            self._queries,
            "import_agents",
            org_id=org_id,
            override_existing_tools=override_existing_tools,
            tools=[_tool_row(tool) for tool in tools],
            agents=[_agent_row(agent) for agent in agents],
        )
        return list(answer["agent_ids"])


def _agent_row(imported: ImportedAgent) -> JsonObject:
    new = imported.new
    return {
        "agent": agent_to_row(new.agent),
        "conversation_id": new.conversation_id,
        "new_blocks": [block_to_row(block) for block in new.new_blocks],
        "block_ids": list(new.block_ids),
        "tool_names": list(new.tool_names),
        "tool_ids": list(new.tool_ids),
        "secrets": dict(new.secrets),
        "history": [message_to_row(message) for message in new.messages],
        "window_from_seq": imported.window_from_seq,
        "summaries": [
            {
                "id": summary.id,
                "from_seq": summary.from_seq,
                "to_seq": summary.to_seq,
                "text": summary.text,
                "tokens": summary.tokens,
                "model": summary.model,
            }
            for summary in imported.summaries
        ],
    }


def _tool_row(tool: Tool) -> JsonObject:
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
