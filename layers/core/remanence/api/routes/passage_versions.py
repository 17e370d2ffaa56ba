"""Single passages: what they were, changing them, taking changes back."""

from fastapi import APIRouter

from remanence.api.deps import Call, ThisCall
from remanence.api.ids import PassageIdPath
from remanence.api.versioning import BeforeVersionQuery, EraseQuery, IfMatch, VersionLimitQuery
from remanence.api.wire.passages import PassageState, passage_to_wire
from remanence.api.wire.versions import (
    PassageChange,
    PassageUndone,
    PassageVersionState,
    UndoRequest,
    passage_version_to_wire,
)
from remanence.engine.passage_edits import PassageEdits

router = APIRouter(tags=["passages"])

_PATH = "/v1/passages/{passage_id}"


@router.get(f"{_PATH}/history")
def list_passage_versions(
    passage_id: PassageIdPath,
    call: ThisCall,
    before: BeforeVersionQuery = None,
    limit: VersionLimitQuery = 50,
) -> list[PassageVersionState]:
    """List what a passage was, the newest version first; a deletion is a version too."""
    versions = call.deps.catalog.passage_versions
    found = versions.list_versions(call.org_id, passage_id, before=before, limit=limit)
    return [passage_version_to_wire(passage_id, version) for version in found]


@router.patch(_PATH)
def update_passage(
    passage_id: PassageIdPath, body: PassageChange, only_version: IfMatch, call: ThisCall
) -> PassageState:
    """Change a passage; what it was stays in its history."""
    record = _edits(call).rewrite(
        call.org_id, passage_id, body.to_row(), call.author, only_version=only_version
    )
    return passage_to_wire(record, call.org_id)


@router.post(f"{_PATH}/undo")
def undo_passage_version(
    passage_id: PassageIdPath, call: ThisCall, body: UndoRequest | None = None
) -> PassageUndone:
    """Take back one change of a passage, a deletion too; later changes stay.

    Where a later version changed the same, the answer is 409 with both sides.
    """
    record = _edits(call).undo(call.org_id, passage_id, body.version if body else None, call.author)
    return PassageUndone(passage=None if record is None else passage_to_wire(record, call.org_id))


@router.delete(_PATH, status_code=204)
def delete_passage_anywhere(
    passage_id: PassageIdPath, call: ThisCall, *, erase: EraseQuery = False
) -> None:
    """Delete a passage, whichever archive it is in; one that is deleted can still be erased."""
    call.deps.catalog.passage_versions.delete_passage(
        call.org_id, passage_id, call.author, erase=erase
    )


def _edits(call: Call) -> PassageEdits:
    return PassageEdits(versions=call.deps.catalog.passage_versions, archival=call.archival)
