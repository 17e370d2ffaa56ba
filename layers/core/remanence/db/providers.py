"""The providers that organizations bring keys of, in the database.

Path: api/routes/providers.py -> Providers -> db/sql; llm.tenants reads those of an organization
where no step has read them. Each method is one round trip. Keys come and go sealed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from remanence.db.paging import list_page
from remanence.db.rows import own_provider_from_row
from remanence.errors import Conflict, LimitExceeded, NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.ids import OrgId
    from remanence.core.own_providers import OwnProvider
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row

# Each step reads all of them.
MOST_PROVIDERS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProvider:
    """A provider, and what its owner may see of its key."""

    own: OwnProvider
    api_key_hint: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFilter:
    """Which providers a list shows; None: no matter."""

    provider_name: str | None = None
    provider_type: str | None = None


class Providers:
    """The providers of the catalog."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def insert_provider(self, org_id: OrgId, own: OwnProvider, hint: str) -> StoredProvider:
        """Store a new provider.

        Raises:
            Conflict: the organization has one of this name.
            LimitExceeded: it has as many as it may have.
        """
        row = self._queries.one(
            "insert_provider", org_id, **_params(own, hint), most=MOST_PROVIDERS
        )
        if row is None:
            raise Conflict(
                f"there is a provider named {own.name!r}: change its key, or choose another name"
            )
        if row["is_full"]:
            raise LimitExceeded(
                "the list of providers",
                limit=MOST_PROVIDERS,
                actual=MOST_PROVIDERS + 1,
                unit="long",
            )
        return _from_row(row)

    def update_provider(self, org_id: OrgId, own: OwnProvider, hint: str) -> StoredProvider:
        """Replace the key of a provider: the next call is made with the new one.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one(
            "update_provider", org_id, provider_id=own.id, api_key=own.api_key, api_key_hint=hint
        )
        if row is None:
            raise NotFound("provider", own.id)
        return _from_row(row)

    def load_provider(self, org_id: OrgId, provider_id: str) -> StoredProvider:
        """A provider.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("load_provider", org_id, provider_id=provider_id)
        if row is None:
            raise NotFound("provider", provider_id)
        return _from_row(row)

    def list_providers(
        self, org_id: OrgId, wanted: ProviderFilter, page: Page
    ) -> list[StoredProvider]:
        """One page of the providers that pass the filter.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(self._queries, "list_providers", org_id, page, **asdict(wanted))
        return [_from_row(row) for row in rows]

    def delete_provider(self, org_id: OrgId, provider_id: str) -> None:
        """Delete a provider and its key; agents keep the names of its models.

        Raises:
            NotFound: there is none with this id.
        """
        if self._queries.one("delete_provider", org_id, provider_id=provider_id) is None:
            raise NotFound("provider", provider_id)

    def load_own(self, org_id: OrgId) -> list[OwnProvider]:
        """What is needed to call the models of an organization's providers, oldest first."""
        row = self._queries.one("load_own_providers", org_id)
        return [own_provider_from_row(own) for own in (row or {"providers": []})["providers"]]


def _params(own: OwnProvider, hint: str) -> Row:
    return {
        "provider_id": own.id,
        "provider_name": own.name,
        "provider_type": own.provider_type,
        "api_key": own.api_key,
        "api_key_hint": hint,
    }


def _from_row(row: Row) -> StoredProvider:
    return StoredProvider(
        own=own_provider_from_row(row),
        api_key_hint=row["api_key_hint"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
