"""Changing a passage that is stored: rewriting it, and taking a change back.

Path: api.routes.versions -> PassageEdits -> models.embed, db.versions. The vector is made before
the write, outside of any lock; when somebody else was faster, all of it is done again on what is
there now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from remanence.core.merging import Clash
from remanence.core.versions import PassageDraft, shown
from remanence.errors import EditConflict, NotFound, PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.archival import PassageRecord, VectorOf
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.versions import Author, PassageUndo
    from remanence.engine.archival import Archival

# How often an edit is made again because somebody else was faster.
TRIES = 10


class VersionedPassages(Protocol):
    """The store of passages with all their versions."""

    def find_undo(self, org_id: OrgId, passage_id: str, version: int | None) -> PassageUndo:
        """What it takes to undo a version; None: the newest.

        Raises:
            NotFound: no such passage or version.
        """
        ...

    def write(
        self,
        org_id: OrgId,
        passage_id: str,
        draft: PassageDraft,
        vector: VectorOf | None,
        author: Author,
    ) -> PassageRecord | bool:
        """Make a passage what the draft says, as its next version.

        Returns:
            The passage; True when it was to be deleted; False when it is no longer what the draft
            was made from, and nothing was written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageEdits:
    """Rewrites passages and undoes changes; holds nothing of its own."""

    versions: VersionedPassages
    archival: Archival

    def rewrite(
        self,
        org_id: OrgId,
        passage_id: str,
        changes: JsonObject,
        author: Author,
        *,
        only_version: int | None = None,
    ) -> PassageRecord:
        """Set fields of a passage; a new text gets a new vector.

        Args:
            org_id: of the caller.
            passage_id: which one.
            changes: text, tags, metadata, those that change.
            author: who does it.
            only_version: if it still is this version; None: whichever it is.

        Raises:
            NotFound: there is none.
            PreconditionFailed: it is another version.
        """

        def drafted(found: PassageUndo) -> PassageDraft:
            if found.now is None:
                raise NotFound("passage", passage_id)
            row = found.now | changes
            if only_version not in (None, found.version):
                raise PreconditionFailed(
                    f"passage {passage_id!r} is no longer version {only_version}",
                    yours=shown(row),
                    current=shown(found.now),
                    version=found.version,
                )
            return PassageDraft(
                base_version=found.version,
                embedding=found.embedding,
                row=row,
                keeps_text=row["text"] == found.now["text"],
            )

        done = self._edited(org_id, passage_id, None, drafted, author)
        if isinstance(done, bool):  # a rewritten passage is there
            raise NotFound("passage", passage_id)
        return done

    def undo(
        self, org_id: OrgId, passage_id: str, version: int | None, author: Author
    ) -> PassageRecord | None:
        """Take back what a version changed, as a version of its own; later changes stay.

        Args:
            org_id: of the caller.
            passage_id: which one.
            version: whose change; None: the newest, so that undoing twice does it again.
            author: who does it.

        Returns:
            The passage as it is then; None when it does not exist any more.

        Raises:
            NotFound: no such passage or version.
            EditConflict: a later version changed the same.
        """

        def drafted(found: PassageUndo) -> PassageDraft:
            try:
                return found.draft()
            except Clash:
                raise EditConflict(
                    f"version {found.undone} of passage {passage_id!r} cannot be undone: a later "
                    "version changed the same; undo that one first",
                    yours=shown(found.before),
                    current=shown(found.now),
                    version=found.version,
                ) from None

        done = self._edited(org_id, passage_id, version, drafted, author, is_undo=True)
        return None if isinstance(done, bool) else done

    def _edited(
        self,
        org_id: OrgId,
        passage_id: str,
        version: int | None,
        drafted: Callable[[PassageUndo], PassageDraft],
        author: Author,
        *,
        is_undo: bool = False,
    ) -> PassageRecord | bool:
        for left in reversed(range(TRIES)):
            found = self.versions.find_undo(org_id, passage_id, version)
            draft = drafted(found)
            signed = author.undoing(found.undone) if is_undo else author
            done = self.versions.write(
                org_id, passage_id, draft, vector_for(self.archival, draft), signed
            )
            if done is not False:
                return done
            if not left:
                raise EditConflict(
                    f"passage {passage_id!r} changes too often; nothing was written, try again",
                    yours=shown(draft.row),
                    current=shown(found.now),
                    version=found.version,
                )
            if is_undo:  # the newest was meant, as it was when this was asked
                version = found.undone
        raise AssertionError("unreachable")


def vector_for(archival: Archival, draft: PassageDraft) -> VectorOf | None:
    """The vector that a draft needs; None when it keeps the one there is, or has none."""
    if draft.row is None or draft.keeps_text:
        return None
    return archival.vector(draft.embedding, str(draft.row["text"]))
