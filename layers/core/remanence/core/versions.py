"""What blocks and passages were, and who made them so. Pure data.

Path: db/versions.py -> here -> api/wire/versions.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from remanence.core.merging import merge_fields

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.exchange import JsonObject

Origin = Literal["step", "api", "sweep"]

# What a caller may change of a passage: the rest of its row is the server's.
_PASSAGE_FIELDS = ("text", "tags", "metadata", "created_at")
# What an agent sees of a block: a change of one of these is a version.
BLOCK_FIELDS = ("label", "value", "limit", "description", "read_only")


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who made a version: a step (with the call that did it), an API call, or the sweep.

    `actor` is the caller of the API, `undoes` the version whose change this one takes back.
    """

    origin: Origin
    step_id: str | None = None
    tool_call_id: str | None = None
    actor: str | None = None
    undoes: int | None = None

    def undoing(self, version: int) -> Author:
        """The same, taking back what a version changed."""
        return replace(self, undoes=version)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """A moment of the past: an instant, or when a step was committed, its changes included."""

    at: datetime | None = None
    step_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockVersion:
    """A block as it was from `at` on; `limit` is in characters."""

    version: int
    at: datetime
    author: Author
    label: str
    value: str
    limit: int
    description: str | None
    read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageVersion:
    """A passage as it was from `at` on; text None: it was deleted."""

    version: int
    at: datetime
    author: Author
    text: str | None
    tags: tuple[str, ...] = ()
    metadata: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageDraft:
    """What a passage is to become, and the version it was made from; row None: deleted."""

    base_version: int
    embedding: str | None
    row: JsonObject | None
    keeps_text: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageUndo:
    """A version to undo: what it made of what, and how the passage is now. None: no passage."""

    version: int
    undone: int
    embedding: str | None
    before: JsonObject | None
    after: JsonObject | None
    now: JsonObject | None = None

    def draft(self) -> PassageDraft:
        """The passage without that change; later ones are kept.

        Raises:
            Clash: a later one changed the same.
        """
        merged = merge_fields(
            callers_own(self.after),
            callers_own(self.before),
            callers_own(self.now),
            texts=("text",),
        )
        row = self.now or self.before
        kept = self.now is not None and merged is not None and merged["text"] == self.now["text"]
        return PassageDraft(
            base_version=self.version,
            embedding=self.embedding,
            row=None if merged is None or row is None else row | merged,
            keeps_text=kept,
        )


def shown(row: JsonObject | None) -> dict[str, object] | None:
    """The fields of a passage that a caller can change."""
    return None if row is None else {name: row[name] for name in ("text", "tags", "metadata")}


def callers_own(row: JsonObject | None) -> JsonObject | None:
    """The fields of a passage that are a caller's: all that an undo compares."""
    return None if row is None else {name: row[name] for name in _PASSAGE_FIELDS}
