"""Blocks, attached to agents or not."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.ids import BlockIdPath
from remanence.api.pages import page_of
from remanence.api.relations import WantedRelations
from remanence.api.versioning import AsOfQuery, IfMatch, edited, tagged
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.blocks import BlockState, CreateBlock, UpdateBlock, block_to_wire
from remanence.db.catalog_agents import AgentFilter
from remanence.db.catalog_blocks import BlockFilter, BlockTarget
from remanence.db.paging import Page

router = APIRouter(tags=["blocks"])

Count = Annotated[int, Field(ge=0, lt=2**31)]


class BlockQuery(BaseModel):
    """The filters of a list of blocks."""

    label: str | None = Field(default=None, description="Exactly this label.")
    label_search: str | None = Field(default=None, description="A part of the label.")
    value_search: str | None = Field(default=None, description="A part of the value.")
    description_search: str | None = Field(default=None, description="A part of the description.")
    name: str | None = Field(default=None, description="Exactly this template name.")
    tags: list[str] | None = Field(default=None, description="Any of these tags.")
    match_all_tags: bool = Field(
        default=False, description="Whether each of the tags is needed; if not, one is enough."
    )
    templates_only: bool = Field(default=False, description="Whether ordinary blocks are left out.")
    project_id: str | None = None
    identity_id: str | None = Field(default=None, description="Attached to this identity.")
    identifier_keys: list[str] | None = Field(
        default=None, description="Attached to an identity with one of these keys."
    )
    connected_to_agents_count_eq: list[Count] | None = Field(
        default=None, description="Attached to one of these numbers of agents."
    )
    connected_to_agents_count_gt: Count | None = Field(
        default=None, description="Attached to more agents than this."
    )
    connected_to_agents_count_lt: Count | None = Field(
        default=None, description="Attached to fewer agents than this."
    )
    show_hidden_blocks: bool = Field(default=False, description="Hidden ones too.")

    def to_filter(self) -> BlockFilter:
        """The filter for the catalog."""
        return BlockFilter(
            label=self.label,
            label_search=self.label_search,
            value_search=self.value_search,
            description_search=self.description_search,
            template_name=self.name,
            tags=self.tags or None,
            match_all_tags=self.match_all_tags,
            templates_only=self.templates_only,
            project_id=self.project_id,
            identity_id=self.identity_id,
            identifier_keys=self.identifier_keys or None,
            agents_eq=self.connected_to_agents_count_eq,
            agents_gt=self.connected_to_agents_count_gt,
            agents_lt=self.connected_to_agents_count_lt,
            with_hidden=self.show_hidden_blocks,
        )


@router.post("/v1/blocks/")
def create_block(body: CreateBlock, call: ThisCall) -> BlockState:
    """Make a block."""
    block = body.to_core(call.deps.new_id("block"))
    return block_to_wire(call.deps.catalog.blocks.insert_block(call.org_id, block))


@router.get("/v1/blocks/")
def list_blocks(
    query: Annotated[BlockQuery, Query()],
    page: Annotated[Page, page_of("block", order="asc")],
    call: ThisCall,
) -> list[BlockState]:
    """List blocks."""
    blocks = call.deps.catalog.blocks.list_blocks(call.org_id, query.to_filter(), page)
    return [block_to_wire(block) for block in blocks]


@router.get("/v1/blocks/{block_id}")
def retrieve_block(
    block_id: BlockIdPath, as_of: AsOfQuery, call: ThisCall, response: Response
) -> BlockState:
    """Read a block; its version is the answer's ETag."""
    catalog = call.deps.catalog
    if as_of is not None:
        return tagged(response, catalog.memory_at.load_block(call.org_id, block_id, as_of))
    return tagged(response, catalog.blocks.load_block(call.org_id, block_id))


@router.patch("/v1/blocks/{block_id}")
def update_block(
    block_id: BlockIdPath,
    body: UpdateBlock,
    only_version: IfMatch,
    call: ThisCall,
    response: Response,
) -> BlockState:
    """Change a block; every agent it is attached to sees the change at its next step."""
    target = BlockTarget(block_id=block_id)
    return tagged(response, edited(call, target, body, only_version))


@router.delete("/v1/blocks/{block_id}")
def delete_block(block_id: BlockIdPath, call: ThisCall) -> None:
    """Delete a block; agents it is attached to lose it."""
    call.deps.catalog.blocks.delete_block(call.org_id, block_id)


@router.get("/v1/blocks/{block_id}/agents")
def list_agents_of_block(
    block_id: BlockIdPath,
    page: Annotated[Page, page_of("agent")],
    relations: WantedRelations,
    call: ThisCall,
) -> list[AgentState]:
    """List the agents a block is attached to."""
    catalog = call.deps.catalog
    wanted = AgentFilter(block_id=block_id, with_hidden=True)
    views = catalog.agents.list_agents(call.org_id, wanted, page, relations.stored)
    if not views:
        catalog.blocks.load_block(call.org_id, block_id)
    return [agent_to_wire(view, with_tags=relations.with_tags) for view in views]
