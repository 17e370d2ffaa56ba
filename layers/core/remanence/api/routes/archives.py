"""Archives: collections of passages that one agent or several can search."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.ids import AgentIdPath, ArchiveIdPath, PassageIdPath, of_kind
from remanence.api.pages import page_of
from remanence.api.versioning import EraseQuery
from remanence.api.wire.archives import (
    ArchivePassageCreate,
    ArchivePassagesCreate,
    ArchiveState,
    CreateArchive,
    UpdateArchive,
    archive_to_wire,
)
from remanence.api.wire.passages import PassageState, passage_to_wire
from remanence.core.archival import NewText
from remanence.db.paging import Page

router = APIRouter(tags=["archives"])


@router.post("/v1/archives/")
def create_archive(body: CreateArchive, call: ThisCall) -> ArchiveState:
    """Make an archive; attach it to the agents that shall search it."""
    embedding = body.to_handle(call.deps.default_embedding)
    if embedding is not None:
        call.models.check_embedding(embedding)
    archive = call.deps.catalog.archives.create_archive(
        call.org_id,
        archive_id=call.deps.new_id("archive"),
        name=body.name,
        description=body.description,
        embedding=embedding,
    )
    return archive_to_wire(archive)


class ArchiveQuery(BaseModel):
    """The filters of a list of archives."""

    agent_id: Annotated[str, of_kind("agent")] | None = Field(
        default=None, description="Only those attached to this agent."
    )
    name: str | None = Field(default=None, description="Exactly this name.")


@router.get("/v1/archives/")
def list_archives(
    query: Annotated[ArchiveQuery, Query()],
    page: Annotated[Page, page_of("archive")],
    call: ThisCall,
) -> list[ArchiveState]:
    """List archives, those that agents made for themselves included."""
    archives = call.deps.catalog.archives.list_archives(
        call.org_id, page, agent_id=query.agent_id, name=query.name
    )
    return [archive_to_wire(archive) for archive in archives]


@router.get("/v1/archives/{archive_id}")
def retrieve_archive(archive_id: ArchiveIdPath, call: ThisCall) -> ArchiveState:
    """Read an archive."""
    return archive_to_wire(call.deps.catalog.archives.load_archive(call.org_id, archive_id))


@router.patch("/v1/archives/{archive_id}")
def update_archive(archive_id: ArchiveIdPath, body: UpdateArchive, call: ThisCall) -> ArchiveState:
    """Change an archive; passages get vectors of another model in the background."""
    handle = body.to_handle(None)
    if handle is not None:
        call.models.check_embedding(handle)
    archives = call.deps.catalog.archives
    return archive_to_wire(archives.update_archive(call.org_id, archive_id, body.to_columns()))


@router.delete("/v1/archives/{archive_id}", status_code=204)
def delete_archive(archive_id: ArchiveIdPath, call: ThisCall) -> None:
    """Delete an archive with its passages."""
    call.deps.catalog.archives.delete_archive(call.org_id, archive_id)


@router.post("/v1/archives/{archive_id}/passages")
def create_archive_passage(
    archive_id: ArchiveIdPath, body: ArchivePassageCreate, call: ThisCall
) -> PassageState:
    """Store a text in an archive, with its vector if the archive's model answers."""
    (passage,) = _filled(archive_id, [body.to_new(call.deps.new_id)], call)
    return passage


@router.post("/v1/archives/{archive_id}/passages/batch")
def create_archive_passages(
    archive_id: ArchiveIdPath, body: ArchivePassagesCreate, call: ThisCall
) -> list[PassageState]:
    """Store several texts in an archive, all or none."""
    return _filled(archive_id, body.to_new(call.deps.new_id), call)


def _filled(archive_id: str, texts: Sequence[NewText], call: Call) -> list[PassageState]:
    archives = call.deps.catalog.archives
    archive = archives.load_archive(call.org_id, archive_id)
    embedded = call.archival.with_vectors(archive.embedding, texts)
    stored = archives.fill_archive(call.org_id, archive_id, embedded)
    return [passage_to_wire(record, call.org_id) for record in stored]


@router.delete("/v1/archives/{archive_id}/passages/{passage_id}", status_code=204)
def delete_archive_passage(
    archive_id: ArchiveIdPath,
    passage_id: PassageIdPath,
    call: ThisCall,
    *,
    erase: EraseQuery = False,
) -> None:
    """Delete a passage of an archive."""
    call.deps.catalog.passage_versions.delete_passage(
        call.org_id, passage_id, call.author, archive_id=archive_id, erase=erase
    )


@router.patch("/v1/agents/{agent_id}/archives/attach/{archive_id}")
def attach_archive(agent_id: AgentIdPath, archive_id: ArchiveIdPath, call: ThisCall) -> None:
    """Let an agent search an archive; what it inserts itself goes to its own, if it has one."""
    call.deps.catalog.archives.link_archive(call.org_id, agent_id, archive_id, attach=True)


@router.patch("/v1/agents/{agent_id}/archives/detach/{archive_id}")
def detach_archive(agent_id: AgentIdPath, archive_id: ArchiveIdPath, call: ThisCall) -> None:
    """Take an archive away from an agent; the archive stays."""
    call.deps.catalog.archives.link_archive(call.org_id, agent_id, archive_id, attach=False)
