"""What passages were before, in the database: read, taken back, erased.

Path: api/routes/versions.py, engine/passage_edits.py -> PassageVersions -> db/sql. Each method is
one round trip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.versions import Author, PassageUndo, PassageVersion
from remanence.db.outcomes import Stale, call_catalog
from remanence.db.record_rows import passage_record_from_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.archival import PassageRecord, VectorOf
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.versions import PassageDraft
    from remanence.db.queries import Queries, Row


class PassageVersions:
    """Implements `engine.passage_edits.VersionedPassages`, and lists and deletes."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_versions(
        self, org_id: OrgId, passage_id: str, *, before: int | None, limit: int
    ) -> list[PassageVersion]:
        """Versions of a passage below `before` (None: all), the newest first.

        Raises:
            NotFound: there never was such a passage, or it was erased.
        """
        rows = self._queries.rows(
            "list_passage_versions",
            org_id,
            passage_id=passage_id,
            before=before,
            page_limit=limit,
        )
        if not rows:
            self.find_undo(org_id, passage_id, None)
        return [_version(row) for row in rows]

    def find_undo(self, org_id: OrgId, passage_id: str, version: int | None) -> PassageUndo:
        """See `engine.passage_edits.VersionedPassages`."""
        answer = call_catalog(
            self._queries,
            "find_passage_undo",
            org_id=org_id,
            passage_id=passage_id,
            version=version,
        )
        return PassageUndo(
            version=answer["version"],
            undone=answer["undone"],
            embedding=answer["embedding"],
            before=answer["before"],
            after=answer["after"],
            now=answer["passage"],
        )

    def write(
        self,
        org_id: OrgId,
        passage_id: str,
        draft: PassageDraft,
        vector: VectorOf | None,
        author: Author,
    ) -> PassageRecord | bool:
        """See `engine.passage_edits.VersionedPassages`."""
        try:
            answer = call_catalog(
                self._queries,
                "write_passage",
                org_id=org_id,
                **passage_write_to_row(passage_id, draft, vector, author),
            )
        except Stale:
            return False
        row: Row | None = answer["passage"]
        return True if row is None else passage_record_from_row(row)

    def delete_passage(
        self,
        org_id: OrgId,
        passage_id: str,
        author: Author,
        *,
        agent_id: str | None = None,
        archive_id: str | None = None,
        erase: bool = False,
    ) -> None:
        """Delete a passage of an archive, or of one of an agent's; `erase`: its versions too.

        Raises:
            NotFound: no such passage there.
        """
        call_catalog(
            self._queries,
            "delete_passage",
            org_id=org_id,
            author=author_to_row(author),
            passage_id=passage_id,
            agent_id=agent_id,
            archive_id=archive_id,
            erase=erase,
        )


def passage_write_to_row(
    passage_id: str, draft: PassageDraft, vector: VectorOf | None, author: Author
) -> JsonObject:
    """A passage as it is to be, as passage_write_v1 takes it."""
    return {
        "author": author_to_row(author),
        "passage_id": passage_id,
        "base_version": draft.base_version,
        "passage": draft.row,
        "keep_vector": draft.keeps_text,
        "embedding": list(vector.values) if vector else None,
        "embedding_model": vector.model if vector else None,
    }


def author_to_row(author: Author) -> JsonObject:
    """An author as sign_v1 takes it."""
    row: JsonObject = {
        "origin": author.origin,
        "step_id": author.step_id,
        "tool_call_id": author.tool_call_id,
        "actor": author.actor,
        "undoes": author.undoes,
    }
    return {name: value for name, value in row.items() if value is not None}


def author_from_row(row: Row) -> Author:
    """The author of a version: what was signed, or else what its columns say."""
    signed: Row = row["author"] or {}
    return Author(
        origin=signed.get("origin") or ("step" if row["step_id"] else "api"),
        step_id=row["step_id"],
        tool_call_id=row["tool_call_id"],
        actor=signed.get("actor"),
        undoes=signed.get("undoes"),
    )


def _version(row: Row) -> PassageVersion:
    passage: Row = row["passage"] or {}
    tags: Sequence[str] = passage.get("tags", ())
    return PassageVersion(
        version=row["version"],
        at=row["at"],
        author=author_from_row(row),
        text=passage.get("text"),
        tags=tuple(tags),
        metadata=passage.get("metadata"),
    )
