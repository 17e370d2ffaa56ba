"""Blocks that the schedule keeps small, in the database.

Path: engine.overflow -> PostgresOverflow -> db/sql. Each method is one round trip, and may be
repeated: a block that has changed since it was read is left as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.ids import AgentId, BlockId, OrgId
from remanence.core.overflow import BlockDue, FullBlock
from remanence.db.record_rows import passage_rows
from remanence.db.rows import block_from_row, message_from_row
from remanence.db.storable import storable_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.archival import NewText
    from remanence.core.types import Block
    from remanence.db.queries import Queries


class PostgresOverflow:
    """Implements `engine.sweep_ports.OverflowStore`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_full_blocks(self, *, limit: int, share: float) -> list[BlockDue]:
        """See `engine.sweep_ports.OverflowStore`."""
        found = self._queries.call("list_full_blocks", limit=limit, share=share)
        return [
            BlockDue(
                org_id=OrgId(row["org_id"]),
                agent_id=AgentId(row["agent_id"]),
                block_id=BlockId(row["block_id"]),
            )
            for row in found
        ]

    def load_full_block(self, due: BlockDue, *, messages: int) -> FullBlock | None:
        """See `engine.sweep_ports.OverflowStore`."""
        row = self._queries.one(
            "load_full_block",
            due.org_id,
            agent_id=due.agent_id,
            block_id=due.block_id,
            page_limit=messages,
        )
        if row is None:
            return None
        return FullBlock(
            org_id=due.org_id,
            agent_id=due.agent_id,
            block=block_from_row(row["block"]),
            ages=row["ages"],
            recent=tuple(message_from_row(message) for message in row["messages"]),
            embedding=row["embedding"],
        )

    def move_lines(
        self, full: FullBlock, relieved: Block, *, texts: Sequence[NewText], new_archive_id: str
    ) -> bool:
        """See `engine.sweep_ports.OverflowStore`."""
        call = {
            "org_id": full.org_id,
            "agent_id": full.agent_id,
            "block_id": full.block.id,
            "version": full.block.version,
            "value": relieved.value,
            "passages": passage_rows(texts),
            "new_archive_id": new_archive_id,
        }
        answer = self._queries.call("move_lines", call=storable_json(call))
        return bool(answer["outcome"] == "ok")
