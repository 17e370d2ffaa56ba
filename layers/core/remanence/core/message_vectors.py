"""What was said and has no vector yet, as the sweep sees it. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.core.ids import OrgId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unembedded:
    """A conversation that lacks vectors; `model` is the handle that its agent wants."""

    org_id: OrgId
    conversation_id: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnembeddedBatch:
    """The next texts of a conversation, by message id, in order.

    `to_seq` (inclusive) is how far it has its vectors once these have; `is_last`: nothing follows.
    """

    texts: Mapping[str, str]
    to_seq: int
    is_last: bool
