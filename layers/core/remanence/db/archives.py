"""Archives in the database, as callers make, share and fill them.

Path: api/routes/archives.py -> Archives -> db/sql. Each method is one round trip. What an agent
inserts itself, and every search, is in db/recall.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from remanence.db.outcomes import call_catalog
from remanence.db.paging import list_page
from remanence.db.record_rows import passage_record_from_row, passage_rows
from remanence.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.archival import NewText, PassageRecord
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A collection of passages; `embedding` is the handle of its model, None: words only.

    `next_embedding` is the one it changes to: of `passages`, so many are `done`. None: it does not.
    """

    id: str
    name: str
    description: str | None
    embedding: str | None
    metadata: JsonObject
    created_at: datetime
    updated_at: datetime
    next_embedding: str | None
    passages: int
    passages_done: int


class Archives:
    """The archives of the catalog."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def create_archive(
        self,
        org_id: OrgId,
        *,
        archive_id: str,
        name: str,
        description: str | None,
        embedding: str | None,
    ) -> Archive:
        """Make an archive; the same id again gives the one that is there."""
        (row,) = self._queries.rows(
            "insert_archive",
            org_id,
            id=archive_id,
            archive_name=name,
            description=description,
            embedding=embedding,
            metadata="{}",
        )
        return _archive(row["archive"])

    def load_archive(self, org_id: OrgId, archive_id: str) -> Archive:
        """An archive.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("load_archive", org_id, archive_id=archive_id)
        return _archive(_found(row, "archive", archive_id)["archive"])

    def list_archives(
        self, org_id: OrgId, page: Page, *, agent_id: str | None, name: str | None
    ) -> list[Archive]:
        """One page of archives: those of an agent, or of this name; None: no matter.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(
            self._queries, "list_archives", org_id, page, agent_id=agent_id, archive_name=name
        )
        return [_archive(row["archive"]) for row in rows]

    def update_archive(self, org_id: OrgId, archive_id: str, columns: JsonObject) -> Archive:
        """Set name, description and embedding, those that are given.

        Another model than the one in use becomes the next one: the sweep makes its vectors.

        Raises:
            NotFound: there is none with this id.
        """
        answer = call_catalog(
            self._queries, "update_archive", org_id=org_id, archive_id=archive_id, columns=columns
        )
        return _archive(answer["archive"])

    def delete_archive(self, org_id: OrgId, archive_id: str) -> None:
        """Delete an archive with its passages.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("delete_archive", org_id, archive_id=archive_id)
        _found(row, "archive", archive_id)

    def link_archive(self, org_id: OrgId, agent_id: str, archive_id: str, *, attach: bool) -> None:
        """Attach an archive to an agent, or detach it; what is so already stays so.

        Raises:
            NotFound: the agent or the archive.
        """
        call_catalog(
            self._queries,
            "link_archive",
            org_id=org_id,
            agent_id=agent_id,
            archive_id=archive_id,
            attach=attach,
        )

    def fill_archive(
        self, org_id: OrgId, archive_id: str, texts: Sequence[NewText]
    ) -> list[PassageRecord]:
        """Store texts as passages of an archive, all or none; safe to repeat.

        Raises:
            NotFound: no such archive.
        """
        answer = call_catalog(
            self._queries,
            "fill_archive",
            org_id=org_id,
            archive_id=archive_id,
            passages=passage_rows(texts),
        )
        return [passage_record_from_row(row) for row in answer["passages"]]


def _found(row: Row | None, kind: str, wanted_id: str) -> Row:
    if row is None:
        raise NotFound(kind, wanted_id)
    return row


def _archive(row: Row) -> Archive:
    return Archive(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        embedding=row["embedding"],
        metadata=row["metadata"],
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        next_embedding=row["next_embedding"],
        passages=row["passages"],
        passages_done=row["passages_done"],
    )
