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

    from remanence.db.queries import Queries, Row


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

    def load_unembedded(
        self, due: Unembedded, *, claim: str, hold_ms: int, limit: int
    ) -> UnembeddedBatch | None:
        """See `engine.sweep_ports.MessageVectors`."""
        row = self._call("load_unembedded", due, claim=claim, hold_ms=hold_ms, page_limit=limit)
        if row["outcome"] != "ok":
            return None
        messages = row["messages"]
        is_last = len(messages) < limit
        return UnembeddedBatch(
            texts={message["id"]: message["text"] for message in messages},
            to_seq=row["last_seq"] if is_last else messages[-1]["seq"],
            is_last=is_last,
        )

    def add_message_vectors(
        self,
        due: Unembedded,
        vectors: Mapping[str, Sequence[float]],
        *,
        to_seq: int,
        claim: str,
        hold_ms: int,
    ) -> None:
        """See `engine.sweep_ports.MessageVectors`."""
        items = [{"id": key, "values": list(values)} for key, values in vectors.items()]
        self._call(
            "add_message_vectors", due, claim=claim, hold_ms=hold_ms, to_seq=to_seq, vectors=items
        )

    def list_moving_agents(self, *, limit: int) -> list[tuple[OrgId, str]]:
        """See `engine.sweep_ports.MessageVectors`."""
        found = self._queries.call("list_moving_agents", limit=limit)
        return [(OrgId(row["org_id"]), row["agent_id"]) for row in found]

    def change_over(self, org_id: OrgId, agent_id: str) -> bool:
        """See `engine.sweep_ports.MessageVectors`."""
        call = json.dumps({"org_id": org_id, "agent_id": agent_id})
        answer: Row = self._queries.call("change_over_agent", call=call)
        return bool(answer["outcome"] == "ok")

    def _call(self, name: str, due: Unembedded, **call: object) -> Row:
        whose = {
            "org_id": due.org_id,
            "conversation_id": due.conversation_id,
            "model": due.model,
        }
        answer: Row = self._queries.call(name, call=json.dumps(whose | call))
        return answer
