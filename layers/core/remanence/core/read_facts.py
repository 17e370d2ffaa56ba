"""What the sweep reads facts from, and what is known already. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.core.facts import KnownFact
    from remanence.core.ids import OrgId
    from remanence.core.types import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsDue:
    """A conversation whose compacted history has not been read for facts."""

    org_id: OrgId
    conversation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSpan:
    """A stretch of compacted history that this worker has taken on.

    `messages` are those after place `base_seq`, up to `through_seq`, oldest first.
    """

    org_id: OrgId
    conversation_id: str
    base_seq: int
    through_seq: int
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFacts:
    """Facts of an agent that new ones may repeat or contradict.

    `version` is that of all facts of the archive (None: there is none yet), so that a merge is
    written only over what it was computed from.
    """

    archive_id: str | None
    version: int
    facts: tuple[KnownFact, ...]
