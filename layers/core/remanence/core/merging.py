"""Two edits of one thing made one: what both sides did to a common base.

Path: core.calls, db.block_edits, engine.passage_edits -> here. Pure. Texts are merged by lines:
edits of different lines both hold, two insertions in one place stand one after the other, the
one that was stored first coming first. Two different edits of the same lines are nobody's to
decide here.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remanence.core.exchange import JsonObject, JsonValue

# Above this many pairs of lines the changed middle counts as one edit: comparing them all takes
# time that grows with their product.
_MAX_PAIRS = 1_000_000


class Clash(Exception):
    """Both sides changed the same, differently; `field` says what, if there are several."""

    def __init__(self, field: str = "") -> None:
        super().__init__(field)
        self.field = field


def merge_texts(base: str, mine: str, theirs: str) -> str:
    """`theirs` with what `mine` changes in `base`.

    Args:
        base: what both began with.
        mine: the edit to be made.
        theirs: what is stored by now.

    Raises:
        Clash: both changed the same lines, differently.

    Invariants:
        A side that changed nothing has no effect; two equal edits count once; a line that only
        one side added is in the result, a line that only one side removed is not.
    """
    if mine in (base, theirs):
        return theirs
    if theirs == base:
        return mine
    lines = _lines(base)
    edits = _combined(_edits(lines, _lines(theirs)), _edits(lines, _lines(mine)))
    merged: list[str] = []
    place = 0
    for edit in edits:
        merged += lines[place : edit.start]
        merged += edit.lines
        place = edit.end
    return "\n".join([*merged, *lines[place:]])


def merge_fields(
    base: JsonObject | None,
    mine: JsonObject | None,
    theirs: JsonObject | None,
    *,
    texts: Sequence[str] = (),
) -> JsonObject | None:
    """The same for a thing of several fields; None: it does not exist.

    Args:
        base: what both began with.
        mine: as it is to be.
        theirs: as it is stored by now.
        texts: the fields that are merged by lines; the others are one piece each.

    Raises:
        Clash: both changed a field, or one removed what the other changed.
    """
    if mine in (base, theirs):
        return None if theirs is None else dict(theirs)
    if theirs == base:
        return None if mine is None else dict(mine)
    if base is None or mine is None or theirs is None:
        raise Clash
    return {
        name: _merged_field(name, base.get(name), mine.get(name), theirs.get(name), texts)
        for name in theirs
    }


def _merged_field(
    name: str, base: JsonValue, mine: JsonValue, theirs: JsonValue, texts: Sequence[str]
) -> JsonValue:
    if mine in (base, theirs):
        return theirs
    if theirs == base:
        return mine
    if (
        name in texts
        and isinstance(base, str)
        and isinstance(mine, str)
        and isinstance(theirs, str)
    ):
        try:
            return merge_texts(base, mine, theirs)
        except Clash:
            raise Clash(name) from None
    raise Clash(name)


@dataclass(frozen=True, slots=True)
class _Edit:
    """The base's lines from `start` to before `end` become `lines`."""

    start: int
    end: int
    lines: tuple[str, ...]

    def is_beside(self, other: _Edit) -> bool:
        """Whether they touch different lines; an insertion lies between two lines."""
        return self.end <= other.start or other.end <= self.start


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _edits(base: Sequence[str], changed: Sequence[str]) -> list[_Edit]:
    """What makes `changed` of `base`."""
    first = _common(base, changed)
    last = _common(base[first:][::-1], changed[first:][::-1])
    middle, other = base[first : len(base) - last], changed[first : len(changed) - last]
    if len(middle) * len(other) > _MAX_PAIRS:
        return [_Edit(first, first + len(middle), tuple(other))]
    matcher = SequenceMatcher(None, middle, other, autojunk=False)
    return [
        _Edit(first + start, first + end, tuple(other[from_line:to_line]))
        for kind, start, end, from_line, to_line in matcher.get_opcodes()
        if kind != "equal"
    ]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines they begin with alike."""
    count = 0
    for line, same in zip(one, other, strict=False):
        if line != same:
            break
        count += 1
    return count


def _combined(theirs: Sequence[_Edit], mine: Sequence[_Edit]) -> Iterator[_Edit]:
    """Both, in the order of the lines; of two insertions in one place theirs first."""
    new = [edit for edit in mine if edit not in theirs]
    for edit in new:
        for other in theirs:
            if not edit.is_beside(other):
                raise Clash
    yield from sorted([*theirs, *new], key=lambda edit: (edit.start, edit.end))
