"""Undoing what a step or a run changed in memory: all of it in one transaction, or nothing.

Path: api.routes.undo -> StepUndo -> core.undoing, models.embed, db.step_undo. Vectors are made
before the write, outside of any lock; when somebody else was faster, all of it is done again on
what is there now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from remanence.core.undoing import MemoryChanges, MemoryUndo, undo_of
from remanence.engine.passage_edits import TRIES, vector_for
from remanence.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.archival import VectorOf
    from remanence.core.ids import OrgId
    from remanence.core.versions import Author
    from remanence.engine.archival import Archival


class ChangesOfSteps(Protocol):
    """The store of what steps changed."""

    def load_changes(self, org_id: OrgId, subject_id: str) -> MemoryChanges:
        """What a step changed, or a run with all its steps.

        Raises:
            NotFound: neither.
            Conflict: the run is not over.
        """
        ...

    def write_undo(
        self, org_id: OrgId, undo: MemoryUndo, vectors: Sequence[VectorOf | None], author: Author
    ) -> bool:
        """Write all of an undo, with a vector for each of its passages.

        Returns:
            False when something is no longer what the undo was made from; nothing was written.

        Raises:
            Conflict: the agent has another block with the label of one that it had.
            LimitExceeded: a value that was is longer than its block may be now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUndo:
    """Undoes whole steps and runs; holds nothing of its own."""

    changes: ChangesOfSteps
    archival: Archival

    def undo(self, org_id: OrgId, subject_id: str, author: Author) -> MemoryUndo:
        """Take back what a step or a run changed, in versions of its own; later changes stay.

        Safe to repeat: what is undone already is left alone.

        Args:
            org_id: of the caller.
            subject_id: of a step or a run.
            author: who does it.

        Returns:
            What was done; empty when there was nothing to do.

        Raises:
            NotFound: neither a step nor a run.
            EditConflict: later versions changed the same.
            Conflict: the run is not over, or a label is taken.
            LimitExceeded: a value that was is longer than its block may be now.
        """
        for _ in range(TRIES):
            found = self.changes.load_changes(org_id, subject_id)
            undo = undo_of(repr(subject_id), found)
            if undo.is_empty():
                return undo
            vectors = [vector_for(self.archival, step.draft) for step in undo.passages]
            if self.changes.write_undo(org_id, undo, vectors, author):
                return undo
        raise Conflict(
            f"what {subject_id!r} changed changes too often; nothing was undone, try again"
        )
