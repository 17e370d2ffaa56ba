"""Models for organizations that bring keys of their own.

Path: engine.deps / api.deps -> Tenants.models_of -> models.Models, with the organization's keys
before the deployment's.
A line is kept per organization and provider for as long as what is stored of the provider stays
the same: a new key is a new line, so it is used by the next call, and never by anybody else's.
A key goes to where the deployment says that its vendor is, and nowhere else.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from remanence.core.own_providers import place_of
from remanence.errors import InvalidRequest, SealBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from remanence.core.ids import OrgId
    from remanence.core.own_providers import OwnProvider
    from remanence.llm.line import Line
    from remanence.llm.models import Models
    from remanence.llm.vendors import Provider

# Organizations whose connections are kept open; of one more, those that were used longest ago go.
MOST_KEPT = 256


class Opener(Protocol):
    """What opens seals."""

    @property
    def has_keys(self) -> bool:
        """Whether anything can be sealed, and so anything sealed may be stored."""
        ...

    def open(self, sealed: str, *place: str) -> str:
        """The text of a seal.

        Raises:
            SealBroken: it was made with another key or for another place.
        """
        ...


class Tenants:
    """The models of each organization. Safe to share between threads.

    Args:
        models: those of the deployment.
        places: where vendors are, by the protocol's name for their kind.
        opener: opens the keys.
        load: reads the providers of an organization: one round trip.
        shares: organizations may use the deployment's providers too.
    """

    def __init__(
        self,
        models: Models,
        *,
        places: Sequence[Provider],
        opener: Opener,
        load: Callable[[OrgId], Sequence[OwnProvider]],
        shares: bool,
    ) -> None:
        self._models = models
        self._places = {place.vendor.provider_type: place for place in places}
        self._opener = opener
        self._load = load
        self._shares = shares
        self._kept: OrderedDict[OrgId, Mapping[OwnProvider, Line]] = OrderedDict()
        self._lock = Lock()

    def models_of(self, org_id: OrgId, own: Sequence[OwnProvider] | None = None) -> Models:
        """What an organization can call.

        Args:
            org_id: of the organization.
            own: its providers as they are stored now; None: they are read, in a round trip, unless
                nothing can be sealed here.
        """
        if own is None:
            own = self._load(org_id) if self._opener.has_keys else ()
        if not own and self._shares:
            return self._models
        lines, unusable = self._lines_of(org_id, own)
        return self._models.joined(lines, unusable, shares=self._shares)

    def check_place(self, provider_type: str, name: str, base_url: str | None) -> None:
        """Refuse a provider that could not be called, or whose key would go elsewhere.

        Whoever may name an address may reach what only this server reaches, so a key goes where
        the deployment has its vendor.

        Raises:
            InvalidRequest: no such kind is known here, the name is another's, or the address is.
        """
        place = self._place(provider_type)
        if name in self._models.reserved - {*place.vendor.prefixes}:
            raise InvalidRequest(
                f"handles that begin with {name!r} are not of {provider_type}: name the provider"
                f" {place.vendor.name!r}, to use its key in place of the deployment's, or by a name"
                " of its own",
                field="name",
            )
        if base_url is not None and base_url.rstrip("/") != place.shown_url:
            raise InvalidRequest(
                f"a key of {provider_type} goes to {place.shown_url}, where this deployment has it;"
                " leave base_url out, or let the operator set another address",
                field="base_url",
            )

    def check_key(self, provider_type: str, api_key: str, *, deadline: float) -> None:
        """Ask a provider for its list, to see whether it takes a key.

        Raises:
            InvalidRequest: this deployment knows no such kind.
            ProviderError: one of its kinds.
        """
        line = self._models.open_line(_with_key(self._place(provider_type), "", api_key))
        try:
            line.check(deadline=deadline)
        finally:
            line.closer()

    def address_of(self, provider_type: str) -> str | None:
        """Where keys of this kind go; None: this deployment knows no such kind."""
        place = self._places.get(provider_type)
        return None if place is None else place.shown_url

    def close(self) -> None:
        """Close all connections, the deployment's too; a later call opens new ones."""
        with self._lock:
            kept = [line for lines in self._kept.values() for line in lines.values()]
            self._kept.clear()
        for line in kept:
            line.closer()
        self._models.close()

    def _place(self, provider_type: str) -> Provider:
        place = self._places.get(provider_type)
        if place is None:
            raise InvalidRequest(
                f"provider_type must be one of {', '.join(sorted(self._places))}: of"
                f" {provider_type!r}, this deployment knows no address, or it wants no key",
                field="provider_type",
            )
        return place

    def opened(self, org_id: OrgId, own: OwnProvider) -> str:
        """The key of a provider.

        Raises:
            SealBroken: it was sealed with another key, or for another place.
        """
        return self._opener.open(
            own.api_key, *place_of(org_id, own.id, own.provider_type, own.name)
        )

    def _lines_of(
        self, org_id: OrgId, own: Sequence[OwnProvider]
    ) -> tuple[list[Line], dict[str, str]]:
        """Lines with the keys of an organization; and why some of its models cannot be called."""
        with self._lock:
            known = self._kept.pop(org_id, {})
            lines: dict[OwnProvider, Line] = {}
            unusable: dict[str, str] = {}
            for provider in own:
                place = self._places.get(provider.provider_type)
                if place is None:
                    continue
                try:
                    lines[provider] = known.get(provider) or self._line(org_id, provider, place)
                except SealBroken as error:
                    prefixes = replace(place, named=provider.name).prefixes
                    unusable |= dict.fromkeys(prefixes, error.message)
            self._kept[org_id] = lines
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return list(lines.values()), unusable

    def _line(self, org_id: OrgId, own: OwnProvider, place: Provider) -> Line:
        line = self._models.open_line(_with_key(place, own.name, self.opened(org_id, own)))
        # It is closed by the end of the last call on it, whenever it was replaced.
        weakref.finalize(line, line.closer)
        return line


def _with_key(place: Provider, name: str, api_key: str) -> Provider:
    return replace(place, named=name, api_key=api_key, is_tenants=True)
