"""What the commands of the terminal client show: memory, context window, agents, findings.

Path: chat_commands -> print_<what>. Takes the protocol's JSON, prints with rich.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from remanence.local.chat_http import number_at, text_at
from remanence.local.chat_wrap import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from remanence.core.exchange import JsonObject, JsonValue

_BAR_COLUMNS = 24
_WIDEST_BAR = 72
_FULL, _EMPTY = "█", "░"


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a context window: its key on the wire, name, colour, and sign without colours."""

    key: str
    name: str
    colour: str
    letter: str


# In the order they are sent.
_PARTS = (
    _Part("num_tokens_system", "system prompt", "blue", "s"),
    _Part("num_tokens_core_memory", "core memory", "green", "c"),
    _Part("num_tokens_external_memory_summary", "memory metadata", "cyan", "d"),
    _Part("num_tokens_functions_definitions", "tools", "magenta", "t"),
    _Part("num_tokens_summary_memory", "summary of older messages", "yellow", "o"),
    _Part("num_tokens_messages", "messages", "bright_white", "m"),
)


def print_line(console: Console, text: str) -> None:
    """One line of text, as it is."""
    _show(console, Text(text))


def print_help(console: Console, commands: Sequence[tuple[str, str]]) -> None:
    """The commands, and the keys."""
    table = _table()
    for usage, meaning in commands:
        table.add_row(Text(usage, style="bold"), meaning)
    if console.is_terminal:
        table.add_row(Text("ctrl-C", style="bold"), "stop listening to a reply; ctrl-D leaves")
    _show(console, table)


def print_memory(console: Console, blocks: Sequence[JsonObject]) -> None:
    """Every block with how full it is, and its text."""
    if not blocks:
        _show(console, "This agent has no memory blocks.")
    for place, block in enumerate(blocks):
        if place:
            console.print()
        value, limit = text_at(block, "value"), number_at(block, "limit")
        head = Text(harmless(text_at(block, "label")), style="bold")
        head.append("  ").append_text(_bar(len(value), limit))
        head.append(f"  {len(value):,} of {limit:,} characters", style="dim")
        if block.get("read_only") is True:
            head.append("  read only", style="yellow")
        _show(console, head)
        for line in value.splitlines() or ["(empty)"]:
            _show(console, Text(harmless(line), style="" if value else "dim"), indent=2)


def _bar(used: int, limit: int) -> Text:
    """A bar of `_BAR_COLUMNS`; whatever is not empty shows at least one column."""
    share = min(used / limit, 1.0) if limit else 0.0
    columns = min(_BAR_COLUMNS, max(int(share * _BAR_COLUMNS), 1 if used else 0))
    colour = "red" if share > 0.9 else "yellow" if share > 0.7 else "green"
    return Text(_FULL * columns, style=colour).append(
        _EMPTY * (_BAR_COLUMNS - columns), style="dim"
    )


def print_context(console: Console, context: JsonValue) -> None:
    """What fills the context window: one bar, and the parts below it."""
    largest = number_at(context, "context_window_size_max")
    sizes = [(part, number_at(context, part.key)) for part in _PARTS]
    used = number_at(context, "context_window_size_current") or sum(size for _, size in sizes)
    is_plain = console.color_system is None
    _show(console, _stacked(sizes, max(largest, used, 1), console.width - 4, is_plain=is_plain))
    table = _table()
    table.columns[1].justify = table.columns[2].justify = "right"
    for part, size in sizes:
        sign = Text(part.letter if is_plain else _FULL, style=part.colour)
        table.add_row(sign.append(f" {part.name}", style=""), f"{size:,}", _percent(size, largest))
    free = max(largest - used, 0)
    table.add_row(Text(f"{_EMPTY} free", style="dim"), f"{free:,}", _percent(free, largest))
    table.add_row(Text(f"  {used:,} of {largest:,} tokens", style="bold"))
    _show(console, table)
    _show(
        console,
        Text(
            f"  {number_at(context, 'num_messages'):,} messages in view, "
            f"{number_at(context, 'num_recall_memory'):,} in recall memory; "
            f"passages in archival memory: {number_at(context, 'num_archival_memory'):,}",
            style="dim",
        ),
    )


def _stacked(sizes: Sequence[tuple[_Part, int]], whole: int, room: int, *, is_plain: bool) -> Text:
    """One bar of all parts, rounded so that the parts together never pass the whole."""
    width = min(room, _WIDEST_BAR)
    bar = Text()
    total = 0
    for part, size in sizes:
        begin, total = total, total + size
        columns = round(total * width / whole) - round(begin * width / whole)
        bar.append((part.letter if is_plain else _FULL) * columns, style=part.colour)
    return bar.append(_EMPTY * max(width - len(bar), 0), style="dim")


def _percent(size: int, whole: int) -> str:
    if not size or not whole:
        return ""
    share = 100 * size / whole
    return f"{share:.0f} %" if share >= 1 else "< 1 %"


def print_agents(console: Console, agents: Sequence[JsonObject], current_id: str) -> None:
    """The agents of the server; the current one is marked."""
    table = _table()
    for agent in agents:
        is_current = text_at(agent, "id") == current_id
        name = Text("▸ " if is_current else "  ", style="cyan")
        name.append(harmless(text_at(agent, "name")), style="bold" if is_current else "")
        table.add_row(name, text_at(agent, "model"), Text(text_at(agent, "id"), style="dim"))
    _show(console, table)


def print_found(console: Console, title: str, found: Sequence[tuple[str, str]]) -> None:
    """What a search found: (when, text) of each, best first."""
    _show(console, Text(title, style="bold"))
    if not found:
        _show(console, Text("  nothing found", style="dim"))
    for when, text in found:
        line = Text("  ").append(when[:10], style="dim").append("  " if when else "")
        _show(console, line.append(" ".join(harmless(text).split())))


def _show(console: Console, what: str | Text | Table, *, indent: int = 0) -> None:
    """Print something: indented in a terminal like everything else, never wrapped in a pipe."""
    if console.is_terminal:
        console.print(Padding(what, (0, 0, 0, indent + 2), expand=False), highlight=False)
    elif isinstance(what, Table):
        console.print(what, highlight=False)
    else:
        console.print(Text(" " * indent), what, sep="", highlight=False, soft_wrap=True)


def _table() -> Table:
    """A table of three columns without lines."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    for _ in range(3):
        table.add_column()
    return table
