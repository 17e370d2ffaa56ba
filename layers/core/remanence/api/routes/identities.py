"""Identities: whom agents and blocks belong to, by keys of the caller's own."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.ids import AgentIdPath, BlockIdPath, IdentityIdPath
from remanence.api.pages import page_of
from remanence.api.relations import WantedRelations
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.blocks import BlockState, block_to_wire
from remanence.api.wire.identities import (
    CreateIdentity,
    IdentityProperty,
    IdentityState,
    UpdateIdentity,
    identity_to_wire,
    properties_to_row,
)
from remanence.db.catalog_agents import AgentFilter
from remanence.db.catalog_blocks import BlockFilter
from remanence.db.identities import IdentityFilter, IdentityType, IdentityWrite
from remanence.db.paging import Page

router = APIRouter(tags=["identities"])


@router.post("/v1/identities/")
def create_identity(body: CreateIdentity, call: ThisCall) -> IdentityState:
    """Make an identity; 409 when its key is taken."""
    identities, new_id = call.deps.catalog.identities, call.deps.new_id("identity")
    return identity_to_wire(
        identities.write_identity(call.org_id, new_id, body.to_write(), "create")
    )


@router.put("/v1/identities/")
def upsert_identity(body: CreateIdentity, call: ThisCall) -> IdentityState:
    """Make an identity, or change the one that has its key."""
    identities, new_id = call.deps.catalog.identities, call.deps.new_id("identity")
    return identity_to_wire(
        identities.write_identity(call.org_id, new_id, body.to_write(), "upsert")
    )


class IdentityQuery(BaseModel):
    """The filters of a list of identities."""

    name: str | None = Field(default=None, description="Exactly this name.")
    identifier_key: str | None = Field(default=None, description="Exactly this key.")
    identity_type: IdentityType | None = None
    project_id: str | None = None

    def to_filter(self) -> IdentityFilter:
        """The filter for the catalog."""
        return IdentityFilter(
            identity_name=self.name,
            identifier_key=self.identifier_key,
            identity_type=self.identity_type,
            project_id=self.project_id,
        )


@router.get("/v1/identities/")
def list_identities(
    query: Annotated[IdentityQuery, Query()],
    page: Annotated[Page, page_of("identity")],
    call: ThisCall,
) -> list[IdentityState]:
    """List identities."""
    found = call.deps.catalog.identities.list_identities(call.org_id, query.to_filter(), page)
    return [identity_to_wire(identity) for identity in found]


@router.get("/v1/identities/{identity_id}")
def retrieve_identity(identity_id: IdentityIdPath, call: ThisCall) -> IdentityState:
    """Read an identity."""
    return identity_to_wire(call.deps.catalog.identities.load_identity(call.org_id, identity_id))


@router.patch("/v1/identities/{identity_id}")
def update_identity(
    identity_id: IdentityIdPath, body: UpdateIdentity, call: ThisCall
) -> IdentityState:
    """Change an identity."""
    identities = call.deps.catalog.identities
    return identity_to_wire(
        identities.write_identity(call.org_id, identity_id, body.to_write(), "update")
    )


@router.put("/v1/identities/{identity_id}/properties")
def replace_identity_properties(
    identity_id: IdentityIdPath, body: list[IdentityProperty], call: ThisCall
) -> IdentityState:
    """Replace what is known of an identity."""
    write = IdentityWrite(columns={"properties": properties_to_row(body)})
    identities = call.deps.catalog.identities
    return identity_to_wire(identities.write_identity(call.org_id, identity_id, write, "update"))


@router.delete("/v1/identities/{identity_id}")
def delete_identity(identity_id: IdentityIdPath, call: ThisCall) -> None:
    """Delete an identity; its agents and blocks stay."""
    call.deps.catalog.identities.delete_identity(call.org_id, identity_id)


@router.get("/v1/identities/{identity_id}/agents")
def list_agents_of_identity(
    identity_id: IdentityIdPath,
    page: Annotated[Page, page_of("agent")],
    relations: WantedRelations,
    call: ThisCall,
) -> list[AgentState]:
    """List the agents an identity is attached to."""
    catalog = call.deps.catalog
    wanted = AgentFilter(identity_id=identity_id, with_hidden=True)
    views = catalog.agents.list_agents(call.org_id, wanted, page, relations.stored)
    if not views:
        catalog.identities.load_identity(call.org_id, identity_id)
    return [agent_to_wire(view, with_tags=relations.with_tags) for view in views]


@router.get("/v1/identities/{identity_id}/blocks")
def list_blocks_of_identity(
    identity_id: IdentityIdPath, page: Annotated[Page, page_of("block")], call: ThisCall
) -> list[BlockState]:
    """List the blocks an identity is attached to."""
    catalog = call.deps.catalog
    wanted = BlockFilter(identity_id=identity_id, with_hidden=True)
    blocks = catalog.blocks.list_blocks(call.org_id, wanted, page)
    if not blocks:
        catalog.identities.load_identity(call.org_id, identity_id)
    return [block_to_wire(block) for block in blocks]


@router.patch("/v1/agents/{agent_id}/identities/attach/{identity_id}")
def attach_identity_to_agent(
    agent_id: AgentIdPath, identity_id: IdentityIdPath, call: ThisCall
) -> None:
    """Attach an identity to an agent."""
    identities = call.deps.catalog.identities
    identities.link_identity(call.org_id, identity_id, agent_id=agent_id, attach=True)


@router.patch("/v1/agents/{agent_id}/identities/detach/{identity_id}")
def detach_identity_from_agent(
    agent_id: AgentIdPath, identity_id: IdentityIdPath, call: ThisCall
) -> None:
    """Take an identity away from an agent."""
    identities = call.deps.catalog.identities
    identities.link_identity(call.org_id, identity_id, agent_id=agent_id, attach=False)


@router.patch("/v1/blocks/{block_id}/identities/attach/{identity_id}")
def attach_identity_to_block(
    block_id: BlockIdPath, identity_id: IdentityIdPath, call: ThisCall
) -> None:
    """Attach an identity to a block."""
    identities = call.deps.catalog.identities
    identities.link_identity(call.org_id, identity_id, block_id=block_id, attach=True)


@router.patch("/v1/blocks/{block_id}/identities/detach/{identity_id}")
def detach_identity_from_block(
    block_id: BlockIdPath, identity_id: IdentityIdPath, call: ThisCall
) -> None:
    """Take an identity away from a block."""
    identities = call.deps.catalog.identities
    identities.link_identity(call.org_id, identity_id, block_id=block_id, attach=False)
