"""What blocks were, and taking changes back."""

from fastapi import APIRouter, Response

from remanence.api.deps import ThisCall
from remanence.api.ids import BlockIdPath
from remanence.api.versioning import BeforeVersionQuery, VersionLimitQuery, tagged
from remanence.api.wire.blocks import BlockState
from remanence.api.wire.versions import BlockVersionState, UndoRequest, block_version_to_wire

router = APIRouter(tags=["blocks"])


@router.get("/v1/blocks/{block_id}/history")
def list_block_versions(
    block_id: BlockIdPath,
    call: ThisCall,
    before: BeforeVersionQuery = None,
    limit: VersionLimitQuery = 50,
) -> list[BlockVersionState]:
    """List what a block was, the newest version first, and who made it so."""
    versions = call.deps.catalog.block_versions
    found = versions.list_versions(call.org_id, block_id, before=before, limit=limit)
    return [block_version_to_wire(block_id, version) for version in found]


@router.post("/v1/blocks/{block_id}/undo")
def undo_block_version(
    block_id: BlockIdPath, call: ThisCall, response: Response, body: UndoRequest | None = None
) -> BlockState:
    """Take back one change of a block; later changes stay.

    Where a later version changed the same, the answer is 409 with both sides.
    """
    versions = call.deps.catalog.block_versions
    version = body.version if body else None
    return tagged(response, versions.undo(call.org_id, block_id, version, call.author))
