"""The core memory of an agent: its blocks, by label."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from remanence.api.deps import ThisCall
from remanence.api.ids import AgentIdPath, BlockIdPath
from remanence.api.pages import page_of
from remanence.api.versioning import AsOfQuery, IfMatch, edited, tagged
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.blocks import BlockState, UpdateBlock, block_to_wire
from remanence.db.catalog_blocks import BlockFilter, BlockTarget
from remanence.db.paging import Page

router = APIRouter(tags=["agents: core memory"])

# A label may hold slashes, and the SDKs' %2F arrives as one.
_PATH = "/v1/agents/{agent_id}/core-memory/blocks"
LabelPath = Annotated[str, Path(description="The block's label.")]


@router.get(_PATH)
def list_agent_blocks(
    agent_id: AgentIdPath,
    page: Annotated[Page, page_of("block", limit=100, order="asc")],
    as_of: AsOfQuery,
    call: ThisCall,
) -> list[BlockState]:
    """List the blocks of an agent; as of another time all of them, in the order of its context."""
    catalog = call.deps.catalog
    if as_of is not None:
        past = catalog.memory_at.list_blocks(call.org_id, agent_id, as_of)
        return [block_to_wire(block) for block in past]
    wanted = BlockFilter(agent_id=agent_id, with_hidden=True)
    blocks = catalog.blocks.list_blocks(call.org_id, wanted, page)
    if not blocks:
        catalog.agents.load_agent(call.org_id, agent_id, ())
    return [block_to_wire(block) for block in blocks]


@router.patch(f"{_PATH}/attach/{{block_id}}")
def attach_block(agent_id: AgentIdPath, block_id: BlockIdPath, call: ThisCall) -> AgentState:
    """Attach a block; one that is attached already stays."""
    view = call.deps.catalog.agents.link_block(call.org_id, agent_id, block_id, attach=True)
    return agent_to_wire(view)


@router.patch(f"{_PATH}/detach/{{block_id}}")
def detach_block(agent_id: AgentIdPath, block_id: BlockIdPath, call: ThisCall) -> AgentState:
    """Detach a block, which stays; one that is not attached is no error."""
    view = call.deps.catalog.agents.link_block(call.org_id, agent_id, block_id, attach=False)
    return agent_to_wire(view)


@router.get(f"{_PATH}/{{block_label:path}}")
def retrieve_agent_block(
    agent_id: AgentIdPath,
    block_label: LabelPath,
    as_of: AsOfQuery,
    call: ThisCall,
    response: Response,
) -> BlockState:
    """Read a block of an agent; its version is the answer's ETag."""
    catalog = call.deps.catalog
    if as_of is not None:
        past = catalog.memory_at.load_agent_block(call.org_id, agent_id, block_label, as_of)
        return tagged(response, past)
    return tagged(response, catalog.blocks.load_agent_block(call.org_id, agent_id, block_label))


@router.patch(f"{_PATH}/{{block_label:path}}")
def update_agent_block(
    agent_id: AgentIdPath,
    block_label: LabelPath,
    body: UpdateBlock,
    only_version: IfMatch,
    call: ThisCall,
    response: Response,
) -> BlockState:
    """Change a block of an agent; every agent that shares it sees the change at its next step."""
    target = BlockTarget(agent_id=agent_id, label=block_label)
    return tagged(response, edited(call, target, body, only_version))
