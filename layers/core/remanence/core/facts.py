"""Facts that history leaves in archival memory: what one is, and when two say the same.

Path: engine.facts -> core.fact_request -> core.fact_judge -> core.fact_merge -> db commit.
Pure data and small functions on it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.exchange import JsonObject

KINDS = ("profile", "preference", "relationship", "event", "plan", "decision", "other")


class Trust(StrEnum):
    """Who stands behind a fact. It never rises: a fact is trusted as its least trusted source.

    HIGH: the user said it. MEDIUM: the agent did. LOW: a tool returned it, the agent said it after
    it had read such a return, or it reads like an instruction.
    """

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


_ORDER = (Trust.LOW, Trust.MEDIUM, Trust.HIGH)


def lowest(*trusts: Trust) -> Trust:
    """The least of these; at least one is given."""
    return min(trusts, key=_ORDER.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact, in words that need no context.

    Args:
        text: one line.
        kind: one of KINDS.
        key: what it is about, when a newer fact about that takes its place; None: it never does.
        entities: whom and what it names.
        source_ids: of the messages it was read from, in order; empty once they are all deleted.
        trust: the lowest of its sources'.
        valid_from: from when on it holds; inclusive.
        valid_to: until when; exclusive. None: it still holds.
        said_at: when the newest of the sources that it was made from was said.
    """

    text: str
    kind: str
    key: str | None
    entities: tuple[str, ...]
    source_ids: tuple[str, ...]
    trust: Trust
    valid_from: datetime
    valid_to: datetime | None
    said_at: datetime

    @property
    def gist(self) -> str:
        """See `gist_of`."""
        return gist_of(self.text)

    def holds_at(self, moment: datetime) -> bool:
        """Whether it was true then."""
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFact:
    """A fact and the passage that holds it."""

    passage_id: str
    fact: Fact


# Words that change nothing about what a sentence says. Tense, negation and prepositions do.
_EMPTY_WORDS = frozenset(
    {"a", "an", "the", "is", "are", "be", "being", "currently", "now", "also", "really"}
)
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


def gist_of(text: str) -> str:
    """What two texts must have in common to be the same fact, whatever their wording.

    Case, punctuation, articles and the endings of a living verb do not count; order, numbers,
    names, tense and negation do. Vectors are not compared: "likes" and "dislikes" are neighbours.
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    told = [stem(word) for word in words if word not in _EMPTY_WORDS]
    return " ".join(told or words)


def gist_hash(gist: str) -> str:
    """What a gist is looked up by in the database."""
    return hashlib.sha256(gist.encode()).hexdigest()[:32]


def stem(word: str) -> str:
    """A word less its ending: "lives" and "living" are one; "lived" is another."""
    word = re.sub("['\u2019]s$", "", word)
    if not word.isascii():
        return word
    for ending in ("ing", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def key_of(subject: str, attribute: str) -> str:
    """The key of "the home of Ana", however it was spelled."""
    return f"{gist_of(subject)}|{gist_of(attribute)}"


def fact_metadata(fact: Fact) -> JsonObject:
    """A fact as callers read it, in the metadata of its passage."""
    return {
        "fact": {
            "kind": fact.kind,
            "trust": fact.trust.value,
            "entities": list(fact.entities),
            "valid_from": fact.valid_from.isoformat(),
            "valid_to": None if fact.valid_to is None else fact.valid_to.isoformat(),
            "source_message_ids": list(fact.source_ids),
        }
    }
