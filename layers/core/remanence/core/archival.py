"""Archival memory from outside: passages as callers store, search and read them. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from remanence.core.types import no_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from remanence.core.exchange import JsonObject
    from remanence.core.ranking import Part
    from remanence.core.types import Passage


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageRecord:
    """A passage as callers read it; `embedding` is the handle that its archive's vectors have."""

    passage: Passage
    embedding: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPassage:
    """A passage that a search found.

    `score` is the fused one, larger is better. A rank is the place (from 1) by shared words or by
    nearness of vectors; None: not found that way. `legs` says what each part found: words, vector,
    when, speaker, phrase.
    """

    record: PassageRecord
    score: float
    lexical_rank: int | None
    vector_rank: int | None
    legs: Mapping[str, float | bool | None] = field(default_factory=dict[str, float | bool | None])


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorOf:
    """A vector and the handle of the model that made it."""

    values: tuple[float, ...]
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnArchive:
    """The archive that an agent's insertions go to, or will go to when it is made.

    `embedding` is the handle of the model of its vectors (None: no vectors), `timezone` the IANA
    name of the agent's zone.
    """

    embedding: str | None
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageQuery:
    """A search over passages; None and empty mean: any.

    `vector` is the question's; without one, words alone decide; without words too, the newest
    are found. Both instants are inclusive. `after`: only what the search ranks behind this passage,
    which it has to find. Of facts only those are found that hold at `as_of`; None: now. `without`
    names parts of the search that shall not take part: a measurement sees what each adds.
    """

    query: str
    agent_id: str | None = None
    archive_id: str | None = None
    vector: VectorOf | None = None
    tags: Sequence[str] = ()
    tag_match_mode: Literal["any", "all"] = "any"
    limit: int = 10
    start: datetime | None = None
    end: datetime | None = None
    after: str | None = None
    without: frozenset[Part] = frozenset()
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewText:
    """A text to be stored as a passage; without a vector, only its words find it."""

    id: str
    text: str
    tags: Sequence[str] = ()
    metadata: JsonObject = field(default_factory=no_json)
    created_at: datetime | None = None
    vector: VectorOf | None = None
