"""`remanence undo`: what a step or a run changed in memory, taken back.

Path: cli -> undo_memory -> engine.step_undo.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from remanence.core.ids import is_id
from remanence.core.versions import Author
from remanence.db.connect import OneConnection
from remanence.dispatch.none import NoDoorbell
from remanence.engine.step_undo import StepUndo
from remanence.errors import InvalidRequest
from remanence.wiring import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.core.ids import OrgId
    from remanence.settings import Settings

ACTOR = "command line"


def undo_memory(
    settings: Settings, env: Mapping[str, str], subject_id: str, *, uri: str, org_id: OrgId
) -> list[str]:
    """Take back what a step or a run changed in memory; a line for each thing that was done.

    Raises:
        AppError: as `engine.step_undo.StepUndo.undo`; InvalidRequest when the id is of neither.
    """
    if not (is_id("step", subject_id) or is_id("run", subject_id)):
        raise InvalidRequest(f"{subject_id!r} is the id of neither a step nor a run", field="id")
    with closing(OneConnection(uri)) as connections:
        parts = build(settings, env, connections, NoDoorbell())
        archival = parts.archival.for_org(org_id, parts.tenants.models_of(org_id))
        changes = parts.catalog.step_changes
        undo = StepUndo(changes=changes, archival=archival).undo(
            org_id, subject_id, Author(origin="api", actor=ACTOR)
        )
    return [
        *(f"{block_id}: detached" for block_id in undo.detach),
        *(f"{block.block_id}: version {block.undoes} undone" for block in undo.blocks),
        *(f"{block_id}: attached again" for block_id in undo.attach),
        *(f"{step.passage_id}: version {step.undoes} undone" for step in undo.passages),
    ]
