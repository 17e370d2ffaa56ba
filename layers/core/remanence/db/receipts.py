"""Receipts of steps, and what they name.

Path: api/routes/traces, local/replay, local/cassette -> Receipts -> sql/ -> core.replay. One round
trip each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.replay import Kept
from remanence.db.record_rows import step_record_from_row
from remanence.db.rows import message_from_row, summary_from_row
from remanence.errors import NotFound

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.records import StepRecord
    from remanence.db.queries import Queries, Row


def kept_from_row(row: Row) -> Kept:
    """A step with what its receipt names."""
    return Kept(
        step=step_record_from_row(row["step"]),
        conversation_id=row["step"]["conversation_id"],
        receipt=row["step"]["receipt"],
        messages=tuple(message_from_row(message) for message in row["messages"]),
        note=message_from_row(row["note"]) if row["note"] else None,
        summaries=tuple(summary_from_row(summary) for summary in row["summaries"]),
        snapshots=row["snapshots"],
    )


class Receipts:
    """What the requests of past steps were compiled from."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def load_receipt(self, org_id: OrgId, step_id: str) -> tuple[StepRecord, JsonObject]:
        """One step, and what its context was compiled from: versions, ids and sizes, no words.

        Raises:
            NotFound: no such step.
        """
        row = self._one("load_receipt", org_id, step_id)
        return step_record_from_row(row["step"]), row["step"]["receipt"]

    def load_kept(self, org_id: OrgId, step_id: str) -> Kept:
        """One step with all that its receipt names, as far as it is still stored.

        Raises:
            NotFound: no such step.
        """
        return kept_from_row(self.load_kept_row(org_id, step_id))

    def load_kept_row(self, org_id: OrgId, step_id: str) -> Row:
        """What `load_kept` reads, as JSON.

        Raises:
            NotFound: no such step.
        """
        return self._one("load_kept", org_id, step_id)

    def list_recorded(self, org_id: OrgId, wanted_id: str) -> list[Row]:
        """The model calls of a run or a conversation, in order: see list_recorded.sql.

        Raises:
            NotFound: there is no such run or conversation, or it asked no model.
        """
        rows = self._queries.rows("list_recorded", org_id, wanted_id=wanted_id)
        if not rows:
            raise NotFound("run or conversation with model calls", wanted_id)
        return rows

    def _one(self, name: str, org_id: OrgId, step_id: str) -> Row:
        row = self._queries.one(name, org_id, step_id=step_id)
        if row is None:
            raise NotFound("step", step_id)
        return row
