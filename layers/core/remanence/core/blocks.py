"""Edits of memory blocks, as values: find one, change its text, create, rename, remove.

Path: core.memory_tools and core.patch -> here. Pure. Every edit goes through `with_value` or
`new_block`, so read-only blocks and limits hold everywhere.

What cannot be done is raised as `Refusal`, an exception although the style asks for values: a
patch of many hunks is all or nothing, and core.memory_tools catches it in one place.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.core.builtin import DEFAULT_BLOCK_LIMIT_CHARS
from remanence.core.ids import BlockId
from remanence.core.types import Block

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

READ_ONLY = "Error This block is read-only and cannot be edited."
# What the rendering of a block may put before a line; it is not part of the text.
_LINE_NUMBER = re.compile(r"^[ \t]*\d+→[ \t]*", re.MULTILINE)
# A label names a tag of the compiled prompt, so it is one word.
_LABEL = re.compile(r"\w[\w.:/-]{0,99}")


class Refusal(Exception):
    """An edit that cannot be made; the text tells the model why and what it can do."""


def find_block(blocks: Sequence[Block], label: str) -> Block:
    """The block with this label.

    Raises:
        Refusal: there is none.
    """
    for block in blocks:
        if block.label == label:
            return block
    labels = ", ".join(block.label for block in blocks) or "none, there are no memory blocks"
    raise Refusal(f"There is no memory block with the label `{label}`. The labels are: {labels}.")


def with_value(block: Block, value: str) -> Block:
    """The block with another text.

    Raises:
        Refusal: the block is read-only, or the text is longer than its limit.
    """
    if block.read_only:
        raise Refusal(READ_ONLY)
    if len(value) > block.limit:
        raise Refusal(
            f"Nothing was changed: memory block `{block.label}` holds {len(block.value)} "
            f"characters, would hold {len(value)}, and may hold {block.limit}. "
            f"{_way_out(block, len(value) - block.limit)}"
        )
    return replace(block, value=value)


def _way_out(block: Block, excess_chars: int) -> str:
    """How to make room for an edit: the first lines of the block are its oldest."""
    lines = block.value.split("\n")
    for count in range(1, len(lines)):
        freed = sum(len(line) + 1 for line in lines[:count])
        if freed >= excess_chars:
            which = "first line" if count == 1 else f"first {count} lines"
            return (
                f"Its {which} would free {freed} characters: keep what is in there with "
                "archival_memory_insert if you have that tool, remove it here, then try again. "
                "Or shorten what it says."
            )
    return "Shorten what it says, or what you add; then try again."


def new_block(
    blocks: Sequence[Block],
    label: str,
    value: str,
    *,
    description: str | None,
    new_block_id: Callable[[], str],
) -> Block:
    """A block that is not yet among `blocks`, with the default limit.

    Raises:
        Refusal: the label is taken or cannot be one, or the text is too long.
    """
    check_free(blocks, label)
    empty = Block(
        id=BlockId(new_block_id()),
        label=label,
        value="",
        limit=DEFAULT_BLOCK_LIMIT_CHARS,
        description=description,
    )
    return with_value(empty, value)


def renamed(blocks: Sequence[Block], block: Block, label: str) -> Block:
    """The block under another label.

    Raises:
        Refusal: it is read-only, or the label is taken or cannot be one.
    """
    if block.read_only:
        raise Refusal(READ_ONLY)
    if label != block.label:
        check_free(blocks, label)
    return replace(block, label=label)


def check_free(blocks: Sequence[Block], label: str) -> None:
    """That a block may be given this label.

    Raises:
        Refusal: another block has it, or it is not one word.
    """
    if any(block.label == label for block in blocks):
        raise Refusal(
            f"There already is a memory block with the label `{label}`. Edit that one, or take "
            "another label."
        )
    if not _LABEL.fullmatch(label):
        raise Refusal(
            f"`{label}` cannot be the label of a memory block: take one word of at most 100 "
            "letters, digits, and . : / _ - in it."
        )


def swapped(blocks: Sequence[Block], block: Block) -> tuple[Block, ...]:
    """`blocks` with this one in the place of the one with its id."""
    return tuple(block if old.id == block.id else old for old in blocks)


def without(blocks: Sequence[Block], block: Block) -> tuple[Block, ...]:
    """`blocks` less this one.

    Raises:
        Refusal: it is read-only.
    """
    if block.read_only:
        raise Refusal(READ_ONLY)
    return tuple(old for old in blocks if old.id != block.id)


def appended(value: str, text: str) -> str:
    """The value with a text on a new line after it."""
    return text if not value else f"{value}{'' if value.endswith(chr(10)) else chr(10)}{text}"


def inserted(value: str, line: int, text: str) -> str:
    """The value with a text added after its line number `line` (0: before all, -1: after all).

    Raises:
        Refusal: there is no such line.
    """
    if line == -1:
        return appended(value, text)
    lines = value.split("\n") if value else []
    if not 0 <= line <= len(lines):
        raise Refusal(
            f"There is no line {line}: the block has {len(lines)} lines, so insert_line may be 0 "
            f"(before the first) to {len(lines)} (after the last), or -1 for the end."
        )
    return "\n".join([*lines[:line], text, *lines[line:]])


def replaced_once(block: Block, old: str, new: str) -> str:
    """The block's value with the one occurrence of `old` made `new`.

    An empty `old` stands for the whole of an empty block.

    Raises:
        Refusal: `old` does not occur, or more than once.
    """
    if not old:
        if block.value:
            raise Refusal(
                "No replacement was performed: old_string is empty. Say which text to replace, "
                "or insert the new text instead."
            )
        return new
    places = [match.start() for match in re.finditer(f"(?={re.escape(old)})", block.value)]
    if not places:
        raise Refusal(
            f"No replacement was performed, old_string `{old}` did not appear verbatim in memory "
            f"block with label `{block.label}`."
        )
    if len(places) > 1:
        lines = [block.value.count("\n", 0, place) + 1 for place in places]
        raise Refusal(
            f"No replacement was performed. Multiple occurrences of old_string `{old}` in lines "
            f"{lines}. Please ensure it is unique."
        )
    return block.value[: places[0]] + new + block.value[places[0] + len(old) :]


def refuse_line_numbers(argument: str, text: str) -> None:
    """That a text does not carry the line numbers it may have been shown with.

    Raises:
        Refusal: a line begins like `3→ `.
    """
    if _LINE_NUMBER.search(text):
        raise Refusal(
            f"Nothing was changed: {argument} has line numbers (like `3→ `) before its lines. They "
            "are only shown to you and are not part of the memory; leave them out."
        )
