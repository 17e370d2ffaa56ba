"""What the calls of a reply need to have looked up, and what came of it.

Path: core.calls.read_calls makes lookups -> engine.lookups -> findings -> core.calls.run_calls.
Pure data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from remanence.core.archival import VectorOf
from remanence.core.custom_tools import ToolRan, ToolRun
from remanence.core.expansion import Expand, Expansion
from remanence.core.search_tools import (
    ArchivalInsert,
    ArchivalSearch,
    ConversationSearch,
    MessageHit,
    PassageHit,
)

Lookup: TypeAlias = ArchivalInsert | ArchivalSearch | ConversationSearch | Expand | ToolRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The vector of a text to be stored; None: there is none, words will find it."""

    vector: tuple[float, ...] | None = None
    model: str | None = None

    def as_vector(self) -> VectorOf | None:
        """The vector with its model, as a search takes it."""
        if self.vector is None or self.model is None:
            return None
        return VectorOf(values=self.vector, model=self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found, best first."""

    passages: tuple[PassageHit, ...] = ()
    messages: tuple[MessageHit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """What stands behind a summary; None: there is no such summary."""

    expansion: Expansion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The lookup could not be made; the text is for the model."""

    text: str


Finding: TypeAlias = Embedded | Expanded | Found | Failed | ToolRan


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassage:
    """A passage to be stored in the agent's own archive."""

    id: str
    text: str
    tags: tuple[str, ...]
    tool_call_id: str
    vector: tuple[float, ...] | None
    embedding_model: str | None
