"""The tools an agent edits its core memory with, run on values.

Path: core.calls.run_calls -> run_memory_tool -> core.blocks, core.patch. Pure: the new list of
blocks is the result; writing it is the commit's. What the model reads back is the edited text
itself, so that it sees what it did.

Source: names, arguments and return texts of Letta 0.16.8; where that did not do what its
documentation promised (limits, memory_rethink of a new label), the promise is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from remanence.core.blocks import (
    READ_ONLY,
    Refusal,
    appended,
    find_block,
    inserted,
    new_block,
    refuse_line_numbers,
    renamed,
    replaced_once,
    swapped,
    with_value,
    without,
)
from remanence.core.merging import Clash, merge_texts
from remanence.core.patch import apply_patch

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.exchange import JsonObject
    from remanence.core.ids import BlockId
    from remanence.core.types import Block


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """What a memory tool left: core memory as it is now, and the return for the model.

    With status "error" the blocks are those it was given.
    """

    blocks: tuple[Block, ...]
    text: str
    status: Literal["success", "error"]


def run_memory_tool(
    name: str,
    arguments: JsonObject,
    blocks: tuple[Block, ...],
    *,
    new_block_id: Callable[[], str],
    seen: tuple[Block, ...] | None = None,
) -> MemoryResult:
    """Run one of `MEMORY_TOOLS`.

    An edit that says which text it changes is made on what is there now. One that replaces a
    whole value, or names a line by its number, was made from what the model saw: it is merged
    with what others have changed since, and refused with both sides where they changed the same.

    Args:
        name: of the tool.
        arguments: as `read_arguments` made them.
        blocks: core memory; labels are unique.
        new_block_id: makes the id of a block that is created.
        seen: core memory as the model took it to be; None: as it is.

    Returns:
        Edited blocks keep their id and `version`, created ones come last with a new id, deleted
        ones are missing.

    Raises:
        KeyError: `name` is not one of `MEMORY_TOOLS`.

    Invariants:
        Labels stay unique; no block is longer than its limit; a read-only block never changes.
    """
    desk = _Desk(arguments, blocks, new_block_id, {block.id: block for block in seen or blocks})
    try:
        after, text = _TOOLS[name](desk)
    except Refusal as refusal:
        return MemoryResult(blocks=blocks, text=str(refusal), status="error")
    return MemoryResult(blocks=after, text=text, status="success")


_Done: TypeAlias = "tuple[tuple[Block, ...], str]"


@dataclass(frozen=True, slots=True)
class _Desk:
    """One call: its arguments, and the blocks it works on."""

    arguments: JsonObject
    blocks: tuple[Block, ...]
    new_block_id: Callable[[], str]
    seen: dict[BlockId, Block]

    def text(self, argument: str) -> str:
        found = self.arguments.get(argument)
        if isinstance(found, str):
            return found
        raise Refusal(f"Nothing was changed: the argument `{argument}` is missing.")

    def text_or_none(self, argument: str) -> str | None:
        return self.text(argument) if self.arguments.get(argument) is not None else None

    def line(self) -> int:
        found = self.arguments.get("insert_line")
        return found if isinstance(found, int) else -1

    def block(self) -> Block:
        return find_block(self.blocks, self.text("label"))

    def block_at(self, argument: str) -> Block:
        return find_block(self.blocks, label_of(self.text(argument)))

    def put(self, block: Block, value: str) -> _Done:
        return swapped(self.blocks, with_value(block, value)), value

    def put_as_seen(self, block: Block, edited: Callable[[str], str]) -> _Done:
        """An edit that was made from the value the model saw."""
        base = self.seen.get(block.id, block).value
        mine = edited(base)
        try:
            return self.put(block, merge_texts(base, mine, block.value))
        except Clash:
            raise Refusal(
                f"Nothing was changed: while you wrote, somebody else changed the same lines of "
                f"memory block `{block.label}`. It now holds:\n{block.value}\n\nYou wanted it to "
                f"hold:\n{mine}\n\nEdit what it holds now."
            ) from None

    def create(self, label: str, value: str, description: str | None) -> tuple[Block, ...]:
        made = new_block(
            self.blocks, label, value, description=description, new_block_id=self.new_block_id
        )
        return (*self.blocks, made)


def label_of(path: str) -> str:
    """The label that a path of the `memory` tool names: "/memories/trips/rome" is "trips_rome"."""
    return path.strip().removeprefix("/memories").strip("/").replace("/", "_")


def _core_append(desk: _Desk) -> _Done:
    block = desk.block()
    return desk.put(block, appended(block.value, desk.text("content")))


def _core_replace(desk: _Desk) -> _Done:
    block, old = desk.block(), desk.text("old_content")
    if not old or old not in block.value:
        raise Refusal(f"Old content '{old}' not found in memory block '{block.label}'")
    return desk.put(block, block.value.replace(old, desk.text("new_content")))


def _replace(desk: _Desk) -> _Done:
    return _replace_in(desk, desk.block())


def _replace_in(desk: _Desk, block: Block) -> _Done:
    old, new = desk.text("old_string"), desk.text_or_none("new_string") or ""
    refuse_line_numbers("old_string", old)
    refuse_line_numbers("new_string", new)
    if block.read_only:
        raise Refusal(READ_ONLY)
    return desk.put(block, replaced_once(block, old, new))


def _insert(desk: _Desk) -> _Done:
    return _insert_in(desk, desk.block(), "new_string")


def _insert_in(desk: _Desk, block: Block, argument: str) -> _Done:
    text = desk.text(argument)
    refuse_line_numbers(argument, text)
    if block.read_only:
        raise Refusal(READ_ONLY)
    if desk.line() == -1:
        return desk.put(block, appended(block.value, text))
    return desk.put_as_seen(block, lambda value: inserted(value, desk.line(), text))


def _rethink(desk: _Desk) -> _Done:
    label, value = desk.text("label"), desk.text("new_memory")
    refuse_line_numbers("new_memory", value)
    for block in desk.blocks:
        if block.label == label:
            return desk.put_as_seen(block, lambda _seen: value)
    return desk.create(label, value, None), value


def _apply_patch(desk: _Desk) -> _Done:
    patch = desk.text("patch")
    label = desk.text_or_none("label") or ""
    return apply_patch(desk.blocks, label, patch, new_block_id=desk.new_block_id)


def _finish(desk: _Desk) -> _Done:
    return desk.blocks, "None"


def _memory(desk: _Desk) -> _Done:
    command = desk.text("command")
    run = _COMMANDS.get(command)
    if run is None:
        raise Refusal(f"There is no command `{command}`. Commands: {', '.join(_COMMANDS)}.")
    return run(desk)


def _memory_create(desk: _Desk) -> _Done:
    label, value = label_of(desk.text("path")), desk.text_or_none("file_text") or ""
    refuse_line_numbers("file_text", value)
    blocks = desk.create(label, value, desk.text_or_none("description"))
    return blocks, (
        f"Successfully created memory block '{label}'. Your system prompt has been recompiled "
        "with the new memory block and is now active in your context."
    )


def _memory_replace(desk: _Desk) -> _Done:
    return _replace_in(desk, desk.block_at("path"))


def _memory_insert(desk: _Desk) -> _Done:
    return _insert_in(desk, desk.block_at("path"), "insert_text")


def _memory_delete(desk: _Desk) -> _Done:
    block = desk.block_at("path")
    return without(desk.blocks, block), (
        f"Successfully deleted memory block '{block.label}'. It is no longer in your context."
    )


def _memory_rename(desk: _Desk) -> _Done:
    """Another label (old_path, new_path), another description (path), or both."""
    old_path = "old_path" if desk.text_or_none("old_path") else "path"
    block = desk.block_at(old_path)
    description = desk.text_or_none("description")
    new_path = desk.text_or_none("new_path")
    if new_path is None and description is None:
        raise Refusal("Nothing was changed: rename needs `new_path`, or a `description`.")
    label = block.label if new_path is None else label_of(new_path)
    changed = renamed(desk.blocks, block, label)
    if description is not None:
        changed = replace(changed, description=description)
    described = "" if description is None else f" Its description is now: {description}"
    return swapped(desk.blocks, changed), (
        f"Successfully renamed memory block '{block.label}' to '{label}'.{described}"
        if label != block.label
        else f"Successfully updated memory block '{label}'.{described}"
    )


_COMMANDS: dict[str, Callable[[_Desk], _Done]] = {
    "create": _memory_create,
    "str_replace": _memory_replace,
    "insert": _memory_insert,
    "delete": _memory_delete,
    "rename": _memory_rename,
}
_TOOLS: dict[str, Callable[[_Desk], _Done]] = {
    "core_memory_append": _core_append,
    "core_memory_replace": _core_replace,
    "memory_replace": _replace,
    "memory_insert": _insert,
    "memory_rethink": _rethink,
    "memory_apply_patch": _apply_patch,
    "memory": _memory,
    "memory_finish_edits": _finish,
}
MEMORY_TOOLS: frozenset[str] = frozenset(_TOOLS)
