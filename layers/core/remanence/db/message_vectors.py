"""The store of vectors of messages, which the sweep fills.

Path: engine.message_vectors -> MessageVectors -> sql/*.sql. Each method is one round trip.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.core.ids import OrgId
from remanence.core.message_vectors import Unembedded, UnembeddedBatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remanence.db.queries import Queries


class MessageVectors:
    """Implements `engine.sweep_ports.MessageVectors`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_unembedded(self, *, limit: int) -> list[Unembedded]:
        """See `engine.sweep_ports.MessageVectors`."""
        return [
            Unembedded(
                org_id=OrgId(row["org_id"]),
                conversation_id=row["conversation_id"],
                model=row["model"],
            )
            for row in self._queries.call("list_unembedded", limit=limit)
        ]

    def load_unembedded(self, due: Unembedded, *, limit: int) -> UnembeddedBatch:
        """See `engine.sweep_ports.MessageVectors`."""
        row = self._queries.one(
            "load_unembedded",
            due.org_id,
            conversation_id=due.conversation_id,
            model=due.model,
            page_limit=limit,
        )
        if row is None:
            return UnembeddedBatch(texts={}, to_seq=0, is_last=True)
        messages = row["messages"]
        is_last = len(messages) < limit
        return UnembeddedBatch(
            texts={message["id"]: message["text"] for message in messages},
            to_seq=row["last_seq"] if is_last else messages[-1]["seq"],
            is_last=is_last,
        )

    def add_message_vectors(
        self, due: Unembedded, vectors: Mapping[str, Sequence[float]], *, to_seq: int
    ) -> None:
        """See `engine.sweep_ports.MessageVectors`."""
        items = [{"id": key, "values": list(values)} for key, values in vectors.items()]
        self._queries.rows(
            "add_message_vectors",
            due.org_id,
            conversation_id=due.conversation_id,
            model=due.model,
            to_seq=to_seq,
            vectors=json.dumps(items),
        )
