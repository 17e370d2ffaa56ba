"""Passages that lack vectors, in the database: listed, claimed, filled.

Path: engine.gaps -> Gaps -> db/sql. Each method is one round trip.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.core.gaps import Bare, Gap, GapBatch
from remanence.core.ids import OrgId

if TYPE_CHECKING:
    from remanence.core.gaps import Filling
    from remanence.db.queries import Queries


class Gaps:
    """Implements `engine.sweep_ports.Gaps`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_gaps(self, *, limit: int) -> list[Gap]:
        """See `engine.sweep_ports.Gaps`."""
        return [
            Gap(org_id=OrgId(row["org_id"]), archive_id=row["archive_id"], model=row["model"])
            for row in self._queries.call("list_gaps", limit=limit)
        ]

    def load_gap(self, gap: Gap, *, claim: str, hold_ms: int, limit: int) -> GapBatch | None:
        """See `engine.sweep_ports.Gaps`."""
        call = {
            "org_id": gap.org_id,
            "archive_id": gap.archive_id,
            "claim": claim,
            "hold_ms": hold_ms,
            "page_limit": limit,
        }
        answer = self._queries.call("load_gap", call=json.dumps(call))
        if answer["outcome"] != "ok":
            return None
        return GapBatch(
            model=answer["model"],
            passages=[
                Bare(id=row["id"], version=row["version"], text=row["text"])
                for row in answer["passages"]
            ],
        )

    def fill_gap(self, gap: Gap, filling: Filling, *, claim: str, hold_ms: int) -> None:
        """See `engine.sweep_ports.Gaps`."""
        call = {
            "org_id": gap.org_id,
            "archive_id": gap.archive_id,
            "claim": claim,
            "hold_ms": hold_ms,
            "model": filling.model,
            "cursor_id": filling.cursor_id,
            "vectors": [
                {"id": passage.id, "version": passage.version, "values": list(values)}
                for passage, values in filling.vectors
            ],
            "refused": list(filling.refused),
        }
        self._queries.call("fill_gap", call=json.dumps(call))
