"""Which lines of a nearly full memory block move to archival memory. Pure.

Path: engine.overflow -> relieve -> store. A line is an entry with the indented lines below it.
Entries that were not spoken of lately go first, the oldest of them before the others. Headings and
blank lines stay, and so does an entry that is half of what the block may hold: it is a text, not
a line. One line is left behind that says how many entries are elsewhere, and how to find them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remanence.core.ids import AgentId, BlockId, OrgId
    from remanence.core.types import Block, Message

# A block is nearly full from this share of its limit on (0..1; in the due statement, too), and is
# brought down to the other.
FULL_SHARE = 0.9
ROOM_SHARE = 0.7
# An entry that long, as a share of the limit, never moves.
TEXT_SHARE = 0.5
# An entry is spoken of when so many of its words are in what was said lately.
SPOKEN_SHARE = 0.5
MOVED_TAG = "core_memory"

_POINTER = re.compile(r"^\[(\d+) older (?:entry is|entries are) in archival memory: .*\]$")
_WORD = re.compile(r"[^\W\d_]{4,}|\d{2,}|[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDue:
    """A nearly full block that its agent lets the schedule make smaller."""

    org_id: OrgId
    agent_id: AgentId
    block_id: BlockId


@dataclass(frozen=True, slots=True, kw_only=True)
class FullBlock:
    """A nearly full block of one agent alone, and what tells which of its lines matter least.

    `ages`: the number of the version that brought a line; a line that is missing in it is older
    than all of those. `recent`: what was said lately to the agent and by it. `embedding`: the
    model of the archive its lines would go to.
    """

    org_id: OrgId
    agent_id: AgentId
    block: Block
    ages: Mapping[str, int]
    recent: tuple[Message, ...]
    embedding: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """The value a block is left with, and the entries that go, in the block's order."""

    value: str
    moved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    place: int
    lines: tuple[str, ...]
    may_move: bool

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def relieve(block: Block, ages: Mapping[str, int], said: str) -> Relief | None:
    """Take entries out of a block until it has room again.

    Args:
        block: as it is.
        ages: see `FullBlock`.
        said: what was said lately.

    Returns:
        None when the block is not nearly full, or nothing in it may move.

    Invariants:
        Every line of the block is in the value or in one moved entry, but for the pointer; the
        value is shorter than it was.
    """
    if len(block.value) < FULL_SHARE * block.limit:
        return None
    lines = block.value.split("\n")
    before = sum(int(found[1]) for line in lines if (found := _POINTER.match(line)))
    entries = _entries([line for line in lines if not _POINTER.match(line)], block.limit)
    spoken = _words(said)
    movable = [entry for entry in entries if entry.may_move]
    movable.sort(key=lambda entry: (_is_spoken(entry, spoken), ages.get(entry.lines[0], 0)))
    gone: list[_Entry] = []
    for entry in movable:
        if gone and len(_left(block.label, entries, gone, before)) <= ROOM_SHARE * block.limit:
            break
        gone.append(entry)
    value = _left(block.label, entries, gone, before)
    if not gone or len(value) >= len(block.value):
        return None
    gone.sort(key=lambda entry: entry.place)
    return Relief(value=value, moved=tuple(entry.text for entry in gone))


def _entries(lines: Sequence[str], limit: int) -> list[_Entry]:
    found: list[list[str]] = []
    for line in lines:
        if found and line[:1].isspace() and line.strip() and not _is_fixed(found[-1][0]):
            found[-1].append(line)
        else:
            found.append([line])
    return [
        _Entry(
            place,
            tuple(entry),
            not _is_fixed(entry[0]) and sum(map(len, entry)) < TEXT_SHARE * limit,
        )
        for place, entry in enumerate(found)
    ]


def _is_fixed(line: str) -> bool:
    """Whether it is the frame of the block rather than something it remembers."""
    bare = line.strip()
    return not bare or bare.startswith("#") or bare.endswith((":", "\uff1a")) or bare[0] == "<"


def _is_spoken(entry: _Entry, spoken: frozenset[str]) -> bool:
    words = _words(entry.text)
    return bool(words) and len(words & spoken) >= SPOKEN_SHARE * len(words)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _left(label: str, entries: Sequence[_Entry], gone: Sequence[_Entry], before: int) -> str:
    """The value without these entries, with the line that points to all that ever went."""
    places = {entry.place for entry in gone}
    count = before + len(gone)
    which = "entry is" if count == 1 else "entries are"
    pointer = (
        f"[{count} older {which} in archival memory: "
        f'archival_memory_search(query=..., tags=["{MOVED_TAG}", "{label}"])]'
    )
    return "\n".join([pointer, *(each.text for each in entries if each.place not in places)])
