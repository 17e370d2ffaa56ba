"""Core memory as the demonstration sees it, and the tools by which it edits it.

Path: the compiled system prompt -> read_blocks, then what the window did to them -> edited,
updated; demo.plan -> append_call / replace_call.
Pure. Only tools that were offered are called; the first row that fits is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from remanence.core.exchange import JsonObject
from remanence.core.ids import BlockId
from remanence.core.memory_tools import run_memory_tool
from remanence.core.types import Block

_SECTION = re.compile(r"<memory_blocks>(.*)</memory_blocks>", re.DOTALL)
_UPDATE = re.compile(r"<memory_update>(.*)</memory_update>", re.DOTALL)
_NO_LIMIT = 1_000_000_000  # the real tool has kept the limit already
_BLOCK = re.compile(
    r"<(?P<label>[^<>/\n]+)>\s*(?:<description>.*?</description>\s*)?"
    r"<metadata>(?P<metadata>.*?)</metadata>.*?<value>\n?(?P<value>.*?)\n?</value>\s*</(?P=label)>",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """A block as the system prompt shows it."""

    label: str
    value: str
    is_read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A tool call to be made; heartbeat and the like are added where it is sent."""

    name: str
    arguments: JsonObject


def read_blocks(system: str) -> tuple[BlockView, ...]:
    """The blocks in the `<memory_blocks>` section of a compiled system prompt, in its order."""
    section = _SECTION.search(system)
    return () if section is None else _views(section.group(1))


def _views(section: str) -> tuple[BlockView, ...]:
    return tuple(
        BlockView(
            label=match["label"],
            value=match["value"],
            is_read_only="read_only=true" in match["metadata"],
        )
        for match in _BLOCK.finditer(section)
    )


def read_update(text: str) -> tuple[BlockView, ...]:
    """The blocks that a note about changes from outside shows."""
    section = _UPDATE.search(text)
    return () if section is None else _views(section.group(1))


def updated(blocks: Sequence[BlockView], changed: Sequence[BlockView]) -> tuple[BlockView, ...]:
    """The blocks with those that a note shows in place of the old ones."""
    new = {block.label: block for block in changed}
    kept = tuple(new.pop(block.label, block) for block in blocks)
    return (*kept, *new.values())


def edited(blocks: Sequence[BlockView], name: str, arguments: JsonObject) -> tuple[BlockView, ...]:
    """The blocks after a call of a memory tool that succeeded."""
    real = tuple(
        Block(
            id=BlockId(block.label),
            label=block.label,
            value=block.value,
            limit=_NO_LIMIT,
            read_only=block.is_read_only,
        )
        for block in blocks
    )
    result = run_memory_tool(name, arguments, real, new_block_id=lambda: "new")
    return tuple(
        BlockView(label=block.label, value=block.value, is_read_only=block.read_only)
        for block in result.blocks
    )


def block_for_user(blocks: Sequence[BlockView]) -> BlockView | None:
    """The block for facts about the user: `human`, else the first that may be written to.

    A `persona` block describes the agent, so it is the last choice.
    """
    writable = [block for block in blocks if not block.is_read_only]
    return min(
        writable, key=lambda block: (block.label != "human", block.label == "persona"), default=None
    )


_Append: TypeAlias = Callable[[BlockView, str], JsonObject]
_Replace: TypeAlias = Callable[[BlockView, str, str], JsonObject]

_APPEND: dict[str, _Append] = {
    "memory_insert": lambda block, text: {"label": block.label, "new_string": text},
    "core_memory_append": lambda block, text: {"label": block.label, "content": text},
    "memory": lambda block, text: {
        "command": "insert",
        "path": f"/memories/{block.label}",
        "insert_line": -1,
        "insert_text": text,
    },
    "memory_rethink": lambda block, text: {
        "label": block.label,
        "new_memory": "\n".join(part for part in (block.value, text) if part),
    },
    "memory_apply_patch": lambda block, text: {
        "label": block.label,
        "patch": _patch(block.value.split("\n")[-1:] if block.value else [], text.split("\n")),
    },
}
_REPLACE: dict[str, _Replace] = {
    "memory_replace": lambda block, old, new: {
        "label": block.label,
        "old_string": old,
        "new_string": new,
    },
    "core_memory_replace": lambda block, old, new: {
        "label": block.label,
        "old_content": old,
        "new_content": new,
    },
    "memory": lambda block, old, new: {
        "command": "str_replace",
        "path": f"/memories/{block.label}",
        "old_string": old,
        "new_string": new,
    },
    "memory_rethink": lambda block, old, new: {
        "label": block.label,
        "new_memory": block.value.replace(old, new, 1),
    },
    "memory_apply_patch": lambda block, old, new: {
        "label": block.label,
        "patch": _patch([], new.split("\n") if new else [], goes=old.split("\n")),
    },
}


def _patch(stays: Sequence[str], comes: Sequence[str], goes: Sequence[str] = ()) -> str:
    marked = [(" ", stays), ("-", goes), ("+", comes)]
    return "\n".join(f"{mark}{line}" for mark, lines in marked for line in lines)


MEMORY_TOOLS = frozenset([*_APPEND, *_REPLACE])


def append_call(block: BlockView, text: str, offered: Collection[str]) -> Planned | None:
    """The call that adds lines at the end of a block; None when no offered tool can."""
    for name, arguments in _APPEND.items():
        if name in offered:
            return Planned(name=name, arguments=arguments(block, text))
    return None


def replace_call(
    block: BlockView, lines: str, new_lines: str, offered: Collection[str]
) -> Planned | None:
    """The call that puts `new_lines` in place of `lines`; None when no offered tool can.

    Args:
        block: where `lines` stand.
        lines: one whole line, or several that follow each other.
        new_lines: what is to stand there; "" removes them.
        offered: names of tools.
    """
    old, new = _unique(block.value.split("\n"), lines.split("\n"), new_lines)
    for name, arguments in _REPLACE.items():
        if name in offered:
            return Planned(name=name, arguments=arguments(block, old, new))
    return None


def _unique(value: list[str], wanted: list[str], new: str) -> tuple[str, str]:
    """The old and the new text, with the neighbours that make the old one occur only once.

    A removal takes one neighbour too, so that no empty line stays behind.
    """
    size = len(wanted)
    first = next((at for at in range(len(value)) if value[at : at + size] == wanted), len(value))
    start, end = first, first + size
    whole = "\n".join(value)
    while whole.count("\n".join(value[start:end])) > 1 or (not new and end - start == size):
        if end < len(value):
            end += 1
        elif start > 0:
            start -= 1
        else:
            break
    middle = [new] if new else []
    kept = [*value[start:first], *middle, *value[first + size : end]]
    return "\n".join(value[start:end]), "\n".join(kept)
