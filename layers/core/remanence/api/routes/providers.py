"""Providers that an organization brings its own keys of."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.ids import ProviderIdPath
from remanence.api.pages import page_of
from remanence.api.wire.providers import (
    CheckProvider,
    CreateProvider,
    ProviderState,
    UpdateProvider,
    provider_to_wire,
)
from remanence.core.own_providers import OwnProvider, hint_of, place_of
from remanence.db.paging import Page
from remanence.db.providers import ProviderFilter, StoredProvider

router = APIRouter(tags=["providers"])

# Seconds in which a provider says whether it takes a key.
_CHECK_S = 20.0


@router.post("/v1/providers/")
def create_provider(body: CreateProvider, call: ThisCall) -> ProviderState:
    """Bring a key: the models of its provider are called with it from the next call on."""
    call.deps.tenants.check_place(body.provider_type, body.name, body.base_url)
    own = OwnProvider(
        id=call.deps.new_id("provider"),
        name=body.name,
        provider_type=body.provider_type,
        api_key="",
    )
    own, hint = _sealed(own, body.api_key, call), hint_of(body.api_key)
    return _to_wire(call.deps.catalog.providers.insert_provider(call.org_id, own, hint), call)


class ProviderQuery(BaseModel):
    """The filters of a list of providers."""

    name: str | None = Field(default=None, description="Exactly this name.")
    provider_type: str | None = Field(default=None, description="The kind of provider.")


@router.get("/v1/providers/")
def list_providers(
    query: Annotated[ProviderQuery, Query()],
    page: Annotated[Page, page_of("provider")],
    call: ThisCall,
) -> list[ProviderState]:
    """List the providers that the organization brought keys of; no key is shown."""
    wanted = ProviderFilter(provider_name=query.name, provider_type=query.provider_type)
    found = call.deps.catalog.providers.list_providers(call.org_id, wanted, page)
    return [_to_wire(stored, call) for stored in found]


@router.post("/v1/providers/check")
def check_key(body: CheckProvider, call: ThisCall) -> dict[str, str]:
    """Ask a provider whether it takes a key; nothing is stored."""
    call.deps.tenants.check_place(body.provider_type, "", body.base_url)
    return _checked(body.provider_type, body.api_key, call)


@router.get("/v1/providers/{provider_id}")
def retrieve_provider(provider_id: ProviderIdPath, call: ThisCall) -> ProviderState:
    """Read a provider; its key is not shown."""
    return _to_wire(call.deps.catalog.providers.load_provider(call.org_id, provider_id), call)


@router.patch("/v1/providers/{provider_id}")
def update_provider(
    provider_id: ProviderIdPath, body: UpdateProvider, call: ThisCall
) -> ProviderState:
    """Replace a key: the next call is made with the new one."""
    providers = call.deps.catalog.providers
    own = providers.load_provider(call.org_id, provider_id).own
    call.deps.tenants.check_place(own.provider_type, own.name, body.base_url)
    own = _sealed(own, body.api_key, call)
    return _to_wire(providers.update_provider(call.org_id, own, hint_of(body.api_key)), call)


@router.delete("/v1/providers/{provider_id}")
def delete_provider(provider_id: ProviderIdPath, call: ThisCall) -> dict[str, str]:
    """Delete a provider and its key; agents keep the names of its models."""
    call.deps.catalog.providers.delete_provider(call.org_id, provider_id)
    return {"message": f"Provider id={provider_id} successfully deleted"}


@router.post("/v1/providers/{provider_id}/check")
def check_provider(provider_id: ProviderIdPath, call: ThisCall) -> dict[str, str]:
    """Ask a provider whether it takes the stored key."""
    own = call.deps.catalog.providers.load_provider(call.org_id, provider_id).own
    return _checked(own.provider_type, call.deps.tenants.opened(call.org_id, own), call)


def _sealed(own: OwnProvider, api_key: str, call: Call) -> OwnProvider:
    place = place_of(call.org_id, own.id, own.provider_type, own.name)
    return replace(own, api_key=call.deps.sealer.seal(api_key, *place))


def _checked(provider_type: str, api_key: str, call: Call) -> dict[str, str]:
    deadline = call.deps.monotonic() + _CHECK_S
    call.deps.tenants.check_key(provider_type, api_key, deadline=deadline)
    return {"message": f"Valid api key for provider_type={provider_type}"}


def _to_wire(stored: StoredProvider, call: Call) -> ProviderState:
    base_url = call.deps.tenants.address_of(stored.own.provider_type)
    return provider_to_wire(stored, call.org_id, base_url)
