"""Identities in the database: whom, outside of here, agents and blocks belong to.

Path: api/routes/identities.py -> Identities -> db/sql. Each method is one round trip.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from remanence.db.outcomes import call_catalog
from remanence.db.paging import list_page
from remanence.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row

IdentityType = Literal["org", "user", "other"]
Mode = Literal["create", "upsert", "update"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody or something outside, known by a key of the caller's own.

    `agent_ids` and `block_ids` are the 500 newest that are attached to it, in order.
    """

    id: str
    identifier_key: str
    name: str
    identity_type: IdentityType
    project_id: str | None
    properties: tuple[JsonObject, ...]
    agent_ids: tuple[str, ...]
    block_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityFilter:
    """Which identities a list shows; None: no matter."""

    identity_name: str | None = None
    identifier_key: str | None = None
    identity_type: IdentityType | None = None
    project_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityWrite:
    """What to write of an identity: columns, and what is attached to it (None: as before)."""

    columns: JsonObject
    agent_ids: Sequence[str] | None = None
    block_ids: Sequence[str] | None = None


class Identities:
    """The identities of the catalog."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def write_identity(
        self, org_id: OrgId, identity_id: str, write: IdentityWrite, mode: Mode
    ) -> Identity:
        """Make an identity, or change one.

        Args:
            org_id: whose it is.
            identity_id: a fresh id; for `update` that of the identity.
            write: for `create` and `upsert` with every column.
            mode: `upsert` changes the one that has the key, if there is one.

        Raises:
            NotFound: the identity to update, an agent, or a block.
            Conflict: another identity has the key.
        """
        answer = call_catalog(
            self._queries,
            "write_identity",
            org_id=org_id,
            mode=mode,
            identity={**write.columns, "id": identity_id},
            agent_ids=write.agent_ids,
            block_ids=write.block_ids,
        )
        return identity_from_row(answer["identity"])

    def load_identity(self, org_id: OrgId, identity_id: str) -> Identity:
        """An identity.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("load_identity", org_id, identity_id=identity_id)
        if row is None:
            raise NotFound("identity", identity_id)
        return identity_from_row(row["identity"])

    def list_identities(self, org_id: OrgId, wanted: IdentityFilter, page: Page) -> list[Identity]:
        """One page of the identities that pass the filter.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(self._queries, "list_identities", org_id, page, **asdict(wanted))
        return [identity_from_row(row["identity"]) for row in rows]

    def delete_identity(self, org_id: OrgId, identity_id: str) -> None:
        """Delete an identity; agents and blocks stay.

        Raises:
            NotFound: there is none with this id.
        """
        if self._queries.one("delete_identity", org_id, identity_id=identity_id) is None:
            raise NotFound("identity", identity_id)

    def link_identity(
        self,
        org_id: OrgId,
        identity_id: str,
        *,
        agent_id: str | None = None,
        block_id: str | None = None,
        attach: bool,
    ) -> None:
        """Attach an identity to an agent or a block, or detach it; what is so stays so.

        Raises:
            NotFound: the identity, the agent or the block.
        """
        call_catalog(
            self._queries,
            "link_identity",
            org_id=org_id,
            identity_id=identity_id,
            agent_id=agent_id,
            block_id=block_id,
            attach=attach,
        )


def identity_from_row(row: Row) -> Identity:
    """An identity as the statements answer it."""
    return Identity(
        id=row["id"],
        identifier_key=row["identifier_key"],
        name=row["name"],
        identity_type=row["identity_type"],
        project_id=row["project_id"],
        properties=tuple(row["properties"]),
        agent_ids=tuple(row["agent_ids"]),
        block_ids=tuple(row["block_ids"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )
