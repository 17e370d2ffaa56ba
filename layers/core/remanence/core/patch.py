"""Patches of memory blocks: read from text, applied whole or not at all.

Path: core.memory_tools -> apply_patch. Two forms: hunks for one block, and sections that begin
with `*** Add Block:`, `*** Update Block:` or `*** Delete Block:`. A hunk finds its place by the
lines it keeps and removes, never by line numbers. Pure.

Source: the patch format that coding models are trained on (Codex), with blocks for files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from remanence.core.blocks import (
    READ_ONLY,
    Refusal,
    find_block,
    new_block,
    renamed,
    swapped,
    with_value,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from remanence.core.types import Block

_Numbered: TypeAlias = "tuple[int, str]"

_SECTION = re.compile(r"\*\*\* (Add|Update|Delete) (?:Block|File): *(.*)")
_MOVE = re.compile(r"\*\*\* Move to: *(.*)")
_END_OF_BLOCK = re.compile(r"\*\*\* End of (?:Block|File)")
_ENVELOPE = re.compile(r"\*\*\* (?:Begin|End) Patch|```\w*")
_DESCRIPTION = re.compile(r"[Dd]escription: *(.*)")
# A hunk header: line numbers are ignored, words after them name a line to start from.
_HUNK = re.compile(r"@@(?: -\d+(?:,\d+)? \+\d+(?:,\d+)? @@)? ?(.*)")
_FILE_HEADER = re.compile(r"(?:---|\+\+\+)(?: .*)?")


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Lines that stay (" "), go ("-") and come ("+"), from the line `anchor` on if it is set.

    `at_end`: they are the last of the block. `number`: where in the patch the hunk begins, from 1.
    """

    number: int
    anchor: str
    lines: tuple[tuple[str, str], ...]
    at_end: bool

    @property
    def old(self) -> tuple[str, ...]:
        """The lines to be found in the block."""
        return tuple(text for sign, text in self.lines if sign != "+")

    def applied(self, found: Sequence[str]) -> list[str]:
        """The lines that take the place of `found`; those that stay do so to the letter."""
        source = iter(found)
        new: list[str] = []
        for sign, text in self.lines:
            if sign == "+":
                new.append(text)
            elif sign == "-":
                next(source)
            else:
                new.append(next(source))
        return new


@dataclass(frozen=True, slots=True)
class _Section:
    """What one section asks for one block; `verb` is Add, Update or Delete."""

    verb: str
    label: str
    lines: tuple[_Numbered, ...]


def apply_patch(
    blocks: tuple[Block, ...], label: str, patch: str, *, new_block_id: Callable[[], str]
) -> tuple[tuple[Block, ...], str]:
    """Apply a patch to core memory.

    Args:
        blocks: core memory.
        label: of the block to patch; not looked at when the patch has sections.
        patch: the text, as the model wrote it.
        new_block_id: makes ids for added blocks.

    Returns:
        The new blocks, and the return for the model: what each changed block says now.

    Raises:
        Refusal: something in it cannot be done, and nothing was.
    """
    lines = [
        (number, line)
        for number, line in enumerate(patch.strip("\n").split("\n"), start=1)
        if not _ENVELOPE.fullmatch(line.rstrip())
    ]
    if not any(_SECTION.fullmatch(line) for _, line in lines):
        if not label:
            raise Refusal(
                "Nothing was changed: give the label of the block to patch, or begin the patch "
                "with a line like `*** Update Block: label`."
            )
        block = find_block(blocks, label)
        patched = _patched(block, _without_file_header(lines))
        return swapped(blocks, patched), patched.value
    told: list[str] = []
    for section in _sections(lines):
        blocks, what = _apply(section, blocks, new_block_id)
        told.append(what)
    return blocks, "\n".join(told)


def _without_file_header(lines: list[_Numbered]) -> list[_Numbered]:
    """The lines less the two that name the old and the new file in a unified diff."""
    is_headed = len(lines) > 1 and all(_FILE_HEADER.fullmatch(line) for _, line in lines[:2])
    return lines[2:] if is_headed else lines


def _sections(lines: Sequence[_Numbered]) -> Iterator[_Section]:
    starts = [place for place, (_, line) in enumerate(lines) if _SECTION.fullmatch(line)]
    if any(line.strip() for _, line in lines[: starts[0]]):
        raise Refusal(
            f"Nothing was changed: line {lines[0][0]} of the patch stands before its first "
            "section; begin with `*** Add Block:`, `*** Update Block:` or `*** Delete Block:`."
        )
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        match = _SECTION.fullmatch(lines[start][1])
        if match is not None:
            verb, label = match.groups()
            yield _Section(verb, label.strip().strip("[]"), tuple(lines[start + 1 : end]))


def _apply(
    section: _Section, blocks: tuple[Block, ...], new_block_id: Callable[[], str]
) -> tuple[tuple[Block, ...], str]:
    match section.verb:
        case "Add":
            description, value = _added(section)
            made = new_block(
                blocks, section.label, value, description=description, new_block_id=new_block_id
            )
            return (*blocks, made), f"Added memory block `{made.label}`:\n{made.value}"
        case "Delete":
            if any(line.strip() for _, line in section.lines):
                raise Refusal(
                    f"Nothing was changed: `*** Delete Block: {section.label}` is followed by "
                    "lines, and takes none."
                )
            block = find_block(blocks, section.label)
            return without(blocks, block), f"Deleted memory block `{block.label}`."
        case _:
            return _update(section, blocks)


def _added(section: _Section) -> tuple[str | None, str]:
    """The description, if there is one, and the text of a block to be added."""
    lines = list(section.lines)
    description = None
    if lines and (match := _DESCRIPTION.fullmatch(lines[0][1].strip())):
        description = match.group(1)
        lines.pop(0)
    while lines and not lines[-1][1].strip():
        lines.pop()
    for number, line in lines:
        if line and not line.startswith("+"):
            raise Refusal(
                f"Nothing was changed: line {number} of the patch, `{line}`, has to begin with +, "
                "as every line of an added block does."
            )
    return description, "\n".join(line[1:] for _, line in lines)


def _update(section: _Section, blocks: tuple[Block, ...]) -> tuple[tuple[Block, ...], str]:
    block = find_block(blocks, section.label)
    lines = list(section.lines)
    told = f"Updated memory block `{block.label}`"
    if lines and (match := _MOVE.fullmatch(lines[0][1])):
        lines.pop(0)
        block = renamed(blocks, block, match.group(1).strip())
        told += f", which is now called `{block.label}`"
        blocks = swapped(blocks, block)
        if not any(line.strip() for _, line in lines):
            return blocks, f"{told}."
    patched = _patched(block, lines)
    return swapped(blocks, patched), f"{told}:\n{patched.value}"


def _patched(block: Block, lines: Sequence[_Numbered]) -> Block:
    if block.read_only:
        raise Refusal(READ_ONLY)
    old = block.value.split("\n") if block.value else []
    new: list[str] = []
    place = 0
    for hunk in _hunks(lines):
        start = _find(hunk, old, place, block.label)
        end = start + len(hunk.old)
        new += old[place:start]
        new += hunk.applied(old[start:end])
        place = end
    return with_value(block, "\n".join([*new, *old[place:]]))


def _hunks(lines: Sequence[_Numbered]) -> Iterator[_Hunk]:
    """The hunks of an update, in order."""
    body: list[_Numbered] = []
    anchor, start, found = "", lines[0][0] if lines else 1, 0
    for number, line in [*lines, (0, "@@")]:
        match = _HUNK.fullmatch(line)
        if match is None:
            body.append((number, line))
            continue
        hunk = _hunk(start, anchor, body)
        if hunk is not None:
            found += 1
            yield hunk
        anchor, start = match.group(1).removesuffix("@@").strip(), number
        body = []
    if not found:
        raise Refusal("Nothing was changed: the patch has no lines that begin with - or +.")


def _hunk(number: int, anchor: str, body: Sequence[_Numbered]) -> _Hunk | None:
    """One hunk; None when its lines change nothing."""
    signed: list[tuple[str, str]] = []
    at_end = False
    for line_number, line in _trimmed(body):
        if _END_OF_BLOCK.fullmatch(line):
            at_end = True
            continue
        sign = line[:1] or " "
        if sign not in " -+":
            raise Refusal(
                f"Nothing was changed: line {line_number} of the patch, `{line}`, has to begin "
                "with a space (stays), - (goes) or + (comes)."
            )
        signed.append((sign, line[1:]))
    if all(sign == " " for sign, _ in signed):
        return None
    return _Hunk(number, anchor, tuple(signed), at_end)


def _trimmed(body: Sequence[_Numbered]) -> Sequence[_Numbered]:
    """The body without the wholly empty lines around it: they are spacing, not context."""
    first = next((at for at, (_, line) in enumerate(body) if line), len(body))
    last = next((at for at in range(len(body), 0, -1) if body[at - 1][1]), 0)
    return body[first:last]


def _find(hunk: _Hunk, lines: Sequence[str], place: int, label: str) -> int:
    """Where in `lines` the old lines of a hunk begin, at or after `place`."""
    if hunk.anchor:
        place = _anchor_place(hunk, lines, place, label)
    if not hunk.old:
        ends_with_break = bool(lines) and not lines[-1]
        return place + 1 if hunk.anchor else max(place, len(lines) - ends_with_break)
    # As they stand; else without the spaces at the ends; else without those around.
    for same in (str, str.rstrip, str.strip):
        found = _places(hunk, lines, place, same)
        if len(found) == 1 or (found and hunk.anchor):
            return found[0]
        if found:
            raise Refusal(
                f"Nothing was changed: the lines that the hunk at line {hunk.number} of the patch "
                f"keeps or removes occur {len(found)} times in memory block `{label}`. Add more "
                "lines around them, or a line `@@ some line before them`."
            )
    wanted = "\n".join(hunk.old)
    raise Refusal(
        f"Nothing was changed: the hunk at line {hunk.number} of the patch does not fit memory "
        f"block `{label}`, which does not contain these lines (in this order, after the hunks "
        f"before it):\n{wanted}"
    )


def _anchor_place(hunk: _Hunk, lines: Sequence[str], place: int, label: str) -> int:
    for at in range(place, len(lines)):
        if lines[at].strip() == hunk.anchor:
            return at
    raise Refusal(
        f"Nothing was changed: memory block `{label}` has no line `{hunk.anchor}` to start from "
        f"(line {hunk.number} of the patch)."
    )


def _places(hunk: _Hunk, lines: Sequence[str], place: int, same: Callable[[str], str]) -> list[int]:
    wanted = [same(line) for line in hunk.old]
    have = [same(line) for line in lines]
    last = len(have) - len(wanted)
    starts = range(max(place, last), last + 1) if hunk.at_end else range(place, last + 1)
    return [at for at in starts if have[at : at + len(wanted)] == wanted]
