"""Versions as they are shown: what it was, from when on, and who made it so."""

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.api.wire.bodies import WriteBody
from remanence.api.wire.instants import Instant
from remanence.api.wire.passages import PassageState, distinct_tags
from remanence.core.exchange import JsonObject
from remanence.core.versions import Author, BlockVersion, PassageVersion


class VersionAuthor(BaseModel):
    """Who made a version."""

    origin: Literal["step", "api", "sweep"] = Field(
        description="A step of an agent, a call of this API, or the scheduled sweep."
    )
    step_id: str | None = Field(description="In which step it was written.")
    tool_call_id: str | None = Field(description="The tool call in the step.")
    actor: str | None = Field(description="The caller of the API.")
    undoes: int | None = Field(description="The version whose change this one takes back.")


class PassageVersionState(BaseModel):
    """A passage as it was from one change to the next."""

    passage_id: str
    version: int = Field(description="From 1, without gaps.")
    at: Instant = Field(description="From when on.")
    made_by: VersionAuthor
    is_deleted: bool = Field(description="This version is that it does not exist.")
    text: str | None
    tags: list[str]
    metadata: dict[str, Any] | None
    chars: int = Field(description="Characters of the text.")
    sha256: str | None = Field(description="Of the text in UTF-8, in hexadecimal.")


class BlockVersionState(BaseModel):
    """A block as it was from one change to the next."""

    block_id: str
    version: int = Field(description="From 1, without gaps.")
    at: Instant = Field(description="From when on.")
    made_by: VersionAuthor
    label: str = Field(description="What the agent called it then.")
    value: str
    limit: int = Field(description="Characters the value may have.")
    description: str | None
    read_only: bool = Field(description="Whether the agent could only read it then.")
    chars: int = Field(description="Characters of the value.")
    sha256: str = Field(description="Of the value in UTF-8, in hexadecimal.")


class PassageChange(WriteBody):
    """Changes of a passage: what is left out stays as it is."""

    text: str | None = Field(default=None, min_length=1, description="The text to remember.")
    tags: list[str] | None = Field(default=None, description="To filter searches by.")
    metadata: dict[str, Any] | None = Field(default=None, description="The caller's own.")

    def to_row(self) -> JsonObject:
        """The columns to change."""
        changes: JsonObject = {}
        if self.text is not None:
            changes["text"] = self.text
        if self.tags is not None:
            changes["tags"] = [*distinct_tags(self.tags)]
        if self.metadata is not None:
            changes["metadata"] = self.metadata
        return changes


class UndoRequest(BaseModel):
    """Which change to take back."""

    version: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="The version that made it; null: the newest. Undoing an undo does it again.",
    )


class PassageUndone(BaseModel):
    """What is left after an undo."""

    passage: PassageState | None = Field(description="null: it does not exist.")


def author_to_wire(author: Author) -> VersionAuthor:
    """Who made a version."""
    return VersionAuthor(
        origin=author.origin,
        step_id=author.step_id,
        tool_call_id=author.tool_call_id,
        actor=author.actor,
        undoes=author.undoes,
    )


def block_version_to_wire(block_id: str, past: BlockVersion) -> BlockVersionState:
    """A version of a block."""
    return BlockVersionState(
        block_id=block_id,
        version=past.version,
        at=past.at,
        made_by=author_to_wire(past.author),
        label=past.label,
        value=past.value,
        limit=past.limit,
        description=past.description,
        read_only=past.read_only,
        chars=len(past.value),
        sha256=digest_of(past.value),
    )


def passage_version_to_wire(passage_id: str, past: PassageVersion) -> PassageVersionState:
    """A version of a passage."""
    return PassageVersionState(
        passage_id=passage_id,
        version=past.version,
        at=past.at,
        made_by=author_to_wire(past.author),
        is_deleted=past.text is None,
        text=past.text,
        tags=list(past.tags),
        metadata=past.metadata,
        chars=len(past.text or ""),
        sha256=None if past.text is None else digest_of(past.text),
    )


def digest_of(text: str) -> str:
    """The SHA-256 of a text, by which versions can be compared without reading them."""
    return hashlib.sha256(text.encode()).hexdigest()
