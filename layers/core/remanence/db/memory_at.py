"""Memory as it was at some time, read back from its versions.

Path: api/routes/agent_blocks.py, blocks.py, archival.py -> MemoryAt -> db/sql. Each method is one
round trip. All changes of one commit have one instant, so no time shows half of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.db.outcomes import call_catalog
from remanence.db.record_rows import passage_record_from_row
from remanence.db.rows import block_from_row
from remanence.errors import NotFound

if TYPE_CHECKING:
    from remanence.core.archival import PassageRecord
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.types import Block
    from remanence.core.versions import AsOf
    from remanence.db.queries import Queries, Row


class MemoryAt:
    """The memory of agents in the past."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_blocks(self, org_id: OrgId, agent_id: str, as_of: AsOf) -> list[Block]:
        """The blocks an agent had then, as they were, in their order.

        Raises:
            NotFound: the agent or the step.
        """
        return self._blocks(org_id, as_of, agent_id=agent_id)

    def load_agent_block(self, org_id: OrgId, agent_id: str, label: str, as_of: AsOf) -> Block:
        """The block an agent had under this label then, as it was.

        Raises:
            NotFound: the agent or the step; or it had none then.
        """
        for block in self.list_blocks(org_id, agent_id, as_of):
            if block.label == label:
                return block
        raise NotFound("block", label, hint=f"agent {agent_id!r} had no block with this label then")

    def load_block(self, org_id: OrgId, block_id: str, as_of: AsOf) -> Block:
        """A block as it was.

        Raises:
            NotFound: there is none, or was none then; or no such step.
        """
        for block in self._blocks(org_id, as_of, block_id=block_id):
            return block
        raise NotFound("block", block_id, hint="or did not exist yet")

    def list_passages(
        self,
        org_id: OrgId,
        agent_id: str,
        as_of: AsOf,
        *,
        after: str | None,
        search: str | None,
        limit: int,
    ) -> list[PassageRecord]:
        """Passages of the archives an agent had then, as they were, the oldest first.

        Raises:
            NotFound: the agent or the step.
        """
        answer = call_catalog(
            self._queries,
            "list_passages_at",
            org_id=org_id,
            agent_id=agent_id,
            **_instant(as_of),
            after=after,
            search=search,
            page_limit=limit,
        )
        return [passage_record_from_row(row) for row in answer["passages"]]

    def _blocks(self, org_id: OrgId, as_of: AsOf, **which: str) -> list[Block]:
        answer = call_catalog(
            self._queries, "load_memory_at", org_id=org_id, **which, **_instant(as_of)
        )
        rows: list[Row] = answer["blocks"]
        return [block_from_row(row) for row in rows]


def _instant(as_of: AsOf) -> JsonObject:
    return {"at": as_of.at.isoformat() if as_of.at else None, "step_id": as_of.step_id}
