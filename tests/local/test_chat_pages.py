from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from remanence.local import chat_pages as pages
from remanence.local.chat_run import Edit, Used
from remanence.local.chat_view import ChatView

CONTEXT: dict[str, Any] = {
    "context_window_size_max": 10_000,
    "context_window_size_current": 4_000,
    "num_messages": 14,
    "num_archival_memory": 3,
    "num_recall_memory": 1_200,
    "num_tokens_system": 2_000,
    "num_tokens_core_memory": 500,
    "num_tokens_external_memory_summary": 50,
    "num_tokens_summary_memory": 0,
    "num_tokens_messages": 1_000,
    "num_tokens_functions_definitions": 450,
}


def plain(width: int = 74) -> Console:
    return Console(file=io.StringIO(), width=width, color_system=None)


def terminal(width: int = 60) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard")


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_context_is_one_bar_with_every_part_in_proportion() -> None:
    console = plain()

    pages.print_context(console, CONTEXT)

    bar, *rows = printed(console).splitlines()
    assert len(bar) == 70
    counted = {letter: bar.count(letter) for letter in "scdtom░"}
    assert counted == {"s": 14, "c": 4, "d": 0, "t": 3, "o": 0, "m": 7, "░": 42}
    assert ["s", "system", "prompt", "2,000", "20", "%"] in [row.split() for row in rows]
    assert ["░", "free", "6,000", "60", "%"] in [row.split() for row in rows]
    assert "4,000 of 10,000 tokens" in printed(console)
    assert "1,200 in recall memory; passages in archival memory: 3" in printed(console)


def test_context_over_its_window_still_draws_a_bar() -> None:
    console = plain()

    pages.print_context(console, CONTEXT | {"context_window_size_max": 1_000})

    bar = printed(console).splitlines()[0]
    assert len(bar) == 70
    assert "░" not in bar


def test_context_of_a_server_that_says_nothing_is_an_empty_bar() -> None:
    console = plain()

    pages.print_context(console, {})

    assert printed(console).splitlines()[0] == "░" * 70


@pytest.mark.parametrize(
    ("size", "limit", "full"),
    [(0, 100, 0), (1, 10_000, 1), (50, 100, 12), (100, 100, 24), (9, 4, 24)],
)
def test_block_bar_shows_how_full_it_is(size: int, limit: int, full: int) -> None:
    console = plain()

    pages.print_memory(console, [{"label": "human", "value": "x" * size, "limit": limit}])

    assert printed(console).splitlines()[0].count("█") == full


def test_memory_shows_wide_text_and_what_is_read_only() -> None:
    console = plain()
    block = {"label": "人", "value": "名前: エイダ\n\x1b[2J", "limit": 100, "read_only": True}

    pages.print_memory(console, [block])

    assert "read only" in printed(console)
    assert "  名前: エイダ\n  [2J" in printed(console)


def test_memory_of_an_agent_without_blocks_says_so() -> None:
    console = plain()

    pages.print_memory(console, [])

    assert "no memory blocks" in printed(console)


def test_agents_mark_the_current_one() -> None:
    console = plain(120)
    agents = [{"id": "agent-1", "name": "mira", "model": "a/b"}, {"id": "agent-2", "name": "[b]"}]

    pages.print_agents(console, agents, "agent-2")

    assert [line.split() for line in printed(console).splitlines()] == [
        ["mira", "a/b", "agent-1"],
        ["▸", "[b]", "agent-2"],
    ]


def test_view_in_a_pipe_prints_each_thing_on_its_line() -> None:
    view = ChatView(plain())

    view.begin()
    view.wait("thinking")
    view.think("hm", is_new=True)
    view.called("archival_memory_search", '{"query": "x"}', "[]", is_ok=True)
    view.called("core_memory_append", "{}", "y", is_ok=True)
    view.edited([Edit("human", ("a: 1",), ("a: 2",))])
    view.called("roll", "{}", "no\nsuch die", is_ok=False)
    for word in ("long words " * 20, "end"):
        view.say(word, is_new=word != "end")
    view.used(Used(1, 1200, 3, 0))
    view.end()

    assert printed(view.console).splitlines() == [
        "thinking:",
        "hm",
        '⚙ archival_memory_search "x"',
        "  → nothing found",
        "⚙ core_memory_append",
        "  human - a: 1",
        "  human + a: 2",
        "⚙ roll",
        "  ✗ no such die",
        "long words " * 20 + "end",
        "1 step · 1,200 tokens in, 3 out",
    ]


def test_view_shows_the_first_results_and_counts_the_others() -> None:
    view = ChatView(plain())
    result = str([{"content": f"hit {n}"} for n in range(5)]).replace("'", '"')

    view.called("conversation_search", '{"query": "x"}', result, is_ok=True)

    assert printed(view.console).splitlines()[1:] == [
        "  → hit 0",
        "  → hit 1",
        "  → hit 2",
        "    and 2 more",
    ]


def test_view_in_a_terminal_colours_an_edit_and_keeps_the_width() -> None:
    view = ChatView(terminal())

    view.edited([Edit("human", ("Home: Lisbon",), ("Home: Porto",))])
    view.say("言葉 and words " * 12, is_new=True)
    view.end()

    text = printed(view.console)
    assert "\x1b[31m - Home: Lisbon" in text
    assert "\x1b[32m + Home: Porto" in text
    said = [line for line in text.splitlines() if "words" in line]
    assert len(said) > 1
    assert all(cell_len(line.rstrip()) < 60 for line in said)


def test_view_shows_one_error_plainly_and_remembers_it() -> None:
    view = ChatView(plain())

    view.failed("model is down")

    assert printed(view.console) == "error: model is down\n"
    assert view.has_failed
