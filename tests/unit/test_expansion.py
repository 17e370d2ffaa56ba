"""From a summary in view down to the words behind it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remanence.core.exchange import Text, ToolCall, ToolReturn
from remanence.core.expansion import (
    PAGE_MESSAGES,
    Expand,
    Expansion,
    read_expand,
    render_expansion,
)
from remanence.core.summaries import Summary
from remanence.core.types import Message

if TYPE_CHECKING:
    from remanence.core.exchange import StoredPart

NOW = datetime(2026, 11, 22, 7, 21, 31, tzinfo=UTC)


def read(**arguments: Any) -> Expand | str:
    return read_expand(
        ToolCall(tool_call_id="c", name="conversation_search", arguments=""), arguments
    )


def asked(handle: str, **arguments: Any) -> Expand:
    found = read(expand=handle, **arguments)
    assert isinstance(found, Expand)
    return found


def said(seq: int, *parts: StoredPart, role: Any = "user") -> Message:
    return Message(
        id=f"message-{seq}", role=role, parts=parts or (Text(text=f"word {seq}"),),
        created_at=NOW, seq=seq,
    )  # fmt: skip


def node(start: int, end: int, level: int = 0) -> Summary:
    return Summary(
        id=f"summary-{start}", level=level, from_seq=start, to_seq=end, text=f"of {start} to {end}",
        tokens=4, model="extractive", created_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("handle", "span"),
    [
        ("1-40", (1, 40)),
        ("[messages 1-40]", (1, 40)),
        (" messages 3 \u2013 9 ", (3, 9)),
        ("7", (7, 7)),
    ],
)
def test_handle_is_the_span_that_stands_in_the_prompt(handle: str, span: tuple[int, int]) -> None:
    wanted = asked(handle)

    assert (wanted.from_seq, wanted.to_seq) == span


@pytest.mark.parametrize("handle", ["the first one", "40-1", "1-", "-3", "1-2-3", "9" * 40])
def test_handle_that_names_no_span_is_answered_with_how_to_write_one(handle: str) -> None:
    problem = read(expand=handle)

    assert isinstance(problem, str)
    assert "expand" in problem


def test_summary_is_expanded_to_the_finer_ones_and_each_names_its_handle() -> None:
    found = Expansion(
        from_seq=1, to_seq=20, window_from_seq=21, summaries=(node(1, 10), node(11, 20))
    )

    text = render_expansion(asked("1-20"), found, UTC)

    answer = json.loads(text)
    assert [each["expand"] for each in answer["results"]] == ["1-10", "11-20"]
    assert answer["results"][0]["summary"] == "of 1 to 10"


def test_messages_are_shown_with_what_was_called_and_returned() -> None:
    call = ToolCall(tool_call_id="c", name="weather", arguments='{"city": "Lisbon"}')
    answer = ToolReturn(tool_call_id="c", name="weather", text="19 degrees", status="success")
    found = Expansion(
        from_seq=1, to_seq=3, window_from_seq=9,
        messages=(said(1), said(2, call, role="assistant"), said(3, answer, role="tool")),
    )  # fmt: skip

    shown = json.loads(render_expansion(asked("1-3"), found, UTC))["results"]

    assert [each["role"] for each in shown] == ["user", "assistant", "tool"]
    assert "Lisbon" in shown[1]["content"]
    assert "19 degrees" in shown[2]["content"]


def test_message_that_is_too_long_for_a_page_is_whole_when_asked_for_alone() -> None:
    long = said(4, Text(text="x" * 9_000))

    together = render_expansion(
        asked("4-5"), Expansion(from_seq=4, to_seq=5, window_from_seq=9, messages=(long,)), UTC
    )
    alone = render_expansion(
        asked("4"), Expansion(from_seq=4, to_seq=4, window_from_seq=9, messages=(long,)), UTC
    )

    assert "x" * 9_000 not in together
    assert "x" * 9_000 in alone


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, "no such summary"),
        (Expansion(from_seq=30, to_seq=8, window_from_seq=9), "in your view"),
        (Expansion(from_seq=1, to_seq=8, window_from_seq=9), "do not exist"),
    ],
    ids=["unknown", "in view", "deleted"],
)
def test_nothing_to_expand_is_said(found: Expansion | None, says: str) -> None:
    answer = json.loads(render_expansion(asked("1-8"), found, UTC))

    assert says in answer["message"]
    assert answer["results"] == []


@given(
    sizes=st.lists(st.integers(0, 4_000), min_size=1, max_size=2 * PAGE_MESSAGES),
    limit=st.none() | st.integers(1, 5),
)
def test_pages_together_show_every_message_once_and_in_order(
    sizes: list[int], limit: int | None
) -> None:
    everything = [said(n, Text(text=f"{n} " + "y" * size)) for n, size in enumerate(sizes, 1)]
    handle: str | None = f"1-{len(sizes)}"
    shown: list[int] = []

    while handle is not None:
        arguments = {} if limit is None else {"limit": limit}
        wanted = asked(handle, **arguments)
        start, end = wanted.from_seq or 0, wanted.to_seq or 0
        part = [one for one in everything if start <= (one.seq or 0) <= end][:PAGE_MESSAGES]
        found = Expansion(
            from_seq=start, to_seq=end, window_from_seq=len(sizes) + 1, messages=tuple(part)
        )
        answer = json.loads(render_expansion(wanted, found, UTC))
        assert answer["results"]
        shown += [each["place"] for each in answer["results"]]
        rest = re.search(r'expand="([^"]+)"', answer["message"])
        handle = rest[1] if rest else None

    assert shown == list(range(1, len(sizes) + 1))
