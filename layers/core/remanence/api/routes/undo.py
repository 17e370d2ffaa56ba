"""Taking back all that a step or a run changed in memory."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.ids import RunIdPath, StepIdPath
from remanence.core.undoing import MemoryUndo
from remanence.engine.step_undo import StepUndo

router = APIRouter()


class UndoneBlock(BaseModel):
    """What was done with a block."""

    block_id: str
    done: Literal["changed", "detached", "attached"] = Field(
        description="Its value is back, or what was created is detached (its history stays), or "
        "what was detached is attached again, at the end."
    )
    undoes: int | None = Field(description="The version whose change was taken back.")


class UndonePassage(BaseModel):
    """What was done with a passage."""

    passage_id: str
    done: Literal["changed", "deleted"] = Field(
        description="Its text, tags and metadata are back; or what was stored is deleted (its "
        "history stays)."
    )
    undoes: int = Field(description="The version whose change was taken back.")


class MemoryUndone(BaseModel):
    """All that an undo did, in order; nothing when there was nothing to take back."""

    agent_id: str
    blocks: list[UndoneBlock] = Field(description="A block with several changes, several times.")
    passages: list[UndonePassage] = Field(description="The newest change of each first.")


@router.post("/v1/steps/{step_id}/undo", tags=["steps"])
def undo_step(step_id: StepIdPath, call: ThisCall) -> MemoryUndone:
    """Take back all that a step changed in memory, at once; later changes stay.

    Each change is taken back by a version of its own. Where later versions changed the same, the
    answer is 409, names them, and nothing was done. Safe to repeat.
    """
    return _undone(call, step_id)


@router.post("/v1/runs/{run_id}/undo", tags=["runs"])
def undo_run(run_id: RunIdPath, call: ThisCall) -> MemoryUndone:
    """Take back all that the steps of a run changed in memory, at once; later changes stay.

    As undoing one step; the run must be over.
    """
    return _undone(call, run_id)


def undo_to_wire(undo: MemoryUndo) -> MemoryUndone:
    """What an undo did."""
    blocks = [UndoneBlock(block_id=key, done="detached", undoes=1) for key in undo.detach]
    blocks += [
        UndoneBlock(block_id=block.block_id, done="changed", undoes=block.undoes)
        for block in undo.blocks
    ]
    blocks += [UndoneBlock(block_id=key, done="attached", undoes=None) for key in undo.attach]
    return MemoryUndone(
        agent_id=undo.agent_id,
        blocks=blocks,
        passages=[
            UndonePassage(
                passage_id=step.passage_id,
                done="deleted" if step.draft.row is None else "changed",
                undoes=step.undoes,
            )
            for step in undo.passages
        ],
    )


def _undone(call: Call, subject_id: str) -> MemoryUndone:
    undo = StepUndo(changes=call.deps.catalog.step_changes, archival=call.archival)
    return undo_to_wire(undo.undo(call.org_id, subject_id, call.author))
