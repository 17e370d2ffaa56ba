"""Passages that lack vectors, as the sweep sees them. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.ids import OrgId


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An archive in which passages may lack vectors of `model`, a handle."""

    org_id: OrgId
    archive_id: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """A passage without a vector; `version` is the one whose text this is."""

    id: str
    version: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GapBatch:
    """The next passages of an archive, in the order in which it is walked through."""

    model: str
    passages: Sequence[Bare]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Vectors for a batch, by the passage they are of; `refused`: ids whose text the model refuses.

    `cursor_id`: the last passage that was looked at.
    """

    model: str
    cursor_id: str
    vectors: Sequence[tuple[Bare, Sequence[float]]]
    refused: Sequence[str] = ()
