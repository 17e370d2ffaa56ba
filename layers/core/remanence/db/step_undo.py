"""What steps changed in memory, in the database: read, and taken back.

Path: engine/step_undo.py -> StepChanges -> db/sql. Each method is one round trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.ids import is_id
from remanence.core.undoing import Change, Changed, MemoryChanges
from remanence.db.outcomes import Stale, call_catalog
from remanence.db.versions import author_to_row, passage_write_to_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.archival import VectorOf
    from remanence.core.ids import OrgId
    from remanence.core.undoing import MemoryUndo
    from remanence.core.versions import Author
    from remanence.db.queries import Queries, Row


class StepChanges:
    """Implements `engine.step_undo.ChangesOfSteps`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def load_changes(self, org_id: OrgId, subject_id: str) -> MemoryChanges:
        """See `engine.step_undo.ChangesOfSteps`."""
        kind = "run_id" if is_id("run", subject_id) else "step_id"
        answer = call_catalog(
            self._queries, "find_step_changes", org_id=org_id, **{kind: subject_id}
        )
        return MemoryChanges(
            agent_id=answer["agent_id"],
            blocks=tuple(_changed(row) for row in answer["blocks"]),
            detached=tuple(answer["detached"]),
            passages=tuple(_changed(row) for row in answer["passages"]),
        )

    def write_undo(
        self, org_id: OrgId, undo: MemoryUndo, vectors: Sequence[VectorOf | None], author: Author
    ) -> bool:
        """See `engine.step_undo.ChangesOfSteps`."""
        try:
            call_catalog(
                self._queries,
                "undo_changes",
                org_id=org_id,
                agent_id=undo.agent_id,
                block_versions=undo.block_versions,
                detach=undo.detach,
                attach=undo.attach,
                blocks=[
                    {
                        "block_id": block.block_id,
                        "set": block.fields,
                        "author": author_to_row(author.undoing(block.undoes)),
                    }
                    for block in undo.blocks
                ],
                passages=[
                    passage_write_to_row(
                        step.passage_id, step.draft, vector, author.undoing(step.undoes)
                    )
                    for step, vector in zip(undo.passages, vectors, strict=True)
                ],
            )
        except Stale:
            return False
        return True


def _changed(row: Row) -> Changed:
    return Changed(
        id=row["id"],
        version=row["version"],
        now=row["now"],
        made=tuple(Change(**change) for change in row["made"]),
        embedding=row.get("embedding"),
        is_attached=row.get("is_attached", False),
    )
