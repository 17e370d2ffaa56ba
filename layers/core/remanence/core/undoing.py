"""Taking back all that a step or a run changed in memory, as one.

Path: engine.step_undo -> undo_of -> db.step_undo. Pure. Each change is taken back as a single undo
does it, the newest first: what others changed since stays, and where they changed the same, nothing
is taken back at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.core.merging import Clash, merge_fields
from remanence.core.versions import PassageUndo, callers_own, shown
from remanence.errors import EditConflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import JsonObject
    from remanence.core.versions import PassageDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A version that is to be taken back: what it made of what. None: there was nothing, or is."""

    version: int
    before: JsonObject | None
    after: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A block or a passage, its version and what it is now; `made` has the newest change first.

    `embedding` is the model of a passage's vectors; `is_attached`: the agent has the block.
    """

    id: str
    version: int
    now: JsonObject | None
    made: tuple[Change, ...]
    embedding: str | None = None
    is_attached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChanges:
    """What a step or a run of an agent changed. `detached`: blocks that it has no longer."""

    agent_id: str
    blocks: tuple[Changed, ...] = ()
    detached: tuple[str, ...] = ()
    passages: tuple[Changed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDraft:
    """What a block is to become, and the version whose change that takes back."""

    block_id: str
    undoes: int
    fields: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageStep:
    """What a passage is to become, and the version whose change that takes back."""

    passage_id: str
    undoes: int
    draft: PassageDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUndo:
    """What takes the changes back; `block_versions` are those that it was made from, by id.

    Blocks that were created are detached, not deleted: their history stays, and so do other
    agents that have them by now.
    """

    agent_id: str
    block_versions: dict[str, int]
    detach: tuple[str, ...]
    attach: tuple[str, ...]
    blocks: tuple[BlockDraft, ...]
    passages: tuple[PassageStep, ...]

    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.detach or self.attach or self.blocks or self.passages)


def undo_of(subject: str, changes: MemoryChanges) -> MemoryUndo:
    """What takes back these changes, none of which may be taken back already.

    Args:
        subject: whose they are, in words.
        changes: as they were read.

    Raises:
        EditConflict: later versions changed the same; it names all of them, and shows the first.

    Invariants:
        Undoing again what was undone, and not changed since, changes nothing.
    """
    created = {block.id for block in changes.blocks if block.made[-1].before is None}
    blocks: list[BlockDraft] = []
    passages: list[PassageStep] = []
    clashes: list[tuple[str, Changed, Change]] = []
    for block in changes.blocks:
        try:
            blocks += _block_drafts(block)
        except _Blocked as blocked:
            clashes.append(("block", block, blocked.change))
    for passage in changes.passages:
        try:
            passages += _passage_steps(passage)
        except _Blocked as blocked:
            clashes.append(("passage", passage, blocked.change))
    if clashes:
        raise _conflict(subject, clashes)
    return MemoryUndo(
        agent_id=changes.agent_id,
        block_versions={block.id: block.version for block in changes.blocks},
        detach=tuple(b.id for b in changes.blocks if b.is_attached and b.id in created),
        attach=tuple(block_id for block_id in changes.detached if block_id not in created),
        blocks=tuple(blocks),
        passages=tuple(passages),
    )


class _Blocked(Exception):
    """A change that cannot be taken back."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change


def _block_drafts(block: Changed) -> Iterator[BlockDraft]:
    now = block.now
    for change in block.made:
        if change.before is None:  # it was created: it can go if it is what was created
            if block.is_attached and now != change.after:
                raise _Blocked(change)
            return
        try:
            merged = merge_fields(change.after, change.before, now, texts=("value",))
        except Clash:
            raise _Blocked(change) from None
        if merged is not None and merged != now:
            yield BlockDraft(block_id=block.id, undoes=change.version, fields=merged)
            now = merged


def _passage_steps(passage: Changed) -> Iterator[PassageStep]:
    now, version = passage.now, passage.version
    for change in passage.made:
        undo = PassageUndo(
            version=version,
            undone=change.version,
            embedding=passage.embedding,
            before=change.before,
            after=change.after,
            now=now,
        )
        try:
            draft = undo.draft()
        except Clash:
            raise _Blocked(change) from None
        if callers_own(draft.row) != callers_own(now):
            yield PassageStep(passage_id=passage.id, undoes=change.version, draft=draft)
            now, version = draft.row, version + 1


def _conflict(subject: str, clashes: list[tuple[str, Changed, Change]]) -> EditConflict:
    named = "; ".join(
        f"{kind} {thing.id!r}: what version {change.version} made was changed by version "
        f"{', '.join(str(version) for version in _by_others(thing, change))}"
        for kind, thing, change in clashes
    )
    kind, thing, change = clashes[0]
    is_block = kind == "block"
    return EditConflict(
        f"{subject} cannot be undone, and nothing was. {named}; undo those versions first",
        yours=change.before if is_block else shown(change.before),
        current=thing.now if is_block else shown(thing.now),
        version=thing.version,
    )


def _by_others(thing: Changed, change: Change) -> Iterator[int]:
    """The versions after a change that are not to be taken back with it."""
    mine = {made.version for made in thing.made}
    return (n for n in range(change.version + 1, thing.version + 1) if n not in mine)
