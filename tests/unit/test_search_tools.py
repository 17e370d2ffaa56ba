"""What the search tools look up, and what the model reads of what was found."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remanence.core.dates import parse_moment, time_ago
from remanence.core.exchange import Reasoning, Text, ToolCall, ToolReturn
from remanence.core.ids import ArchiveId, PassageId
from remanence.core.search_tools import (
    BUDGET_TOKENS,
    MOST_IN_BUDGET,
    ArchivalInsert,
    ArchivalSearch,
    ConversationSearch,
    MessageHit,
    PassageHit,
    hits_in_budget,
    pack_tool_return,
    read_lookup,
    render_archival_hits,
    render_conversation_hits,
)
from remanence.core.types import Message, Passage

NOW = datetime(2026, 11, 22, 7, 21, 31, tzinfo=UTC)
ROME = timezone(timedelta(hours=1), "CET")


def look_up(name: str, **arguments: Any) -> object:
    call = ToolCall(tool_call_id="call-1", name=name, arguments="")
    return read_lookup(call, arguments, now=NOW, timezone=ROME)


def test_archival_insert_is_read() -> None:
    found = look_up("archival_memory_insert", content="Ann likes tea", tags=["a", " b ", "a", ""])

    assert found == ArchivalInsert(tool_call_id="call-1", text="Ann likes tea", tags=("a", "b"))


def test_archival_insert_of_nothing_is_refused() -> None:
    assert look_up("archival_memory_insert", content=" \n") == (
        "Nothing was stored: content is empty."
    )


def test_archival_search_has_defaults() -> None:
    assert look_up("archival_memory_search", query=" tea ") == ArchivalSearch(
        tool_call_id="call-1",
        query="tea",
        tags=(),
        tag_match_mode="any",
        top_k=MOST_IN_BUDGET,
        budget_tokens=BUDGET_TOKENS,
        start=None,
        end=None,
    )


def test_archival_search_takes_filters() -> None:
    found = look_up(
        "archival_memory_search",
        query="tea",
        tags=["food"],
        tag_match_mode="all",
        top_k=3,
        start_datetime="2026-03-14T09:30",
        end_datetime="2026-03-15",
    )

    assert found == ArchivalSearch(
        tool_call_id="call-1",
        query="tea",
        tags=("food",),
        tag_match_mode="all",
        top_k=3,
        budget_tokens=None,
        start=datetime(2026, 3, 14, 8, 30, tzinfo=UTC),
        end=datetime(2026, 3, 15, 22, 59, 59, 999999, tzinfo=UTC),
    )


@pytest.mark.parametrize(("asked", "given_to"), [(0, 1), (-5, 1), (7, 7), (9_999, 100)])
def test_search_gives_at_least_one_and_at_most_a_hundred_results(asked: int, given_to: int) -> None:
    archival = look_up("archival_memory_search", query="x", top_k=asked)
    conversation = look_up("conversation_search", limit=asked)

    assert isinstance(archival, ArchivalSearch)
    assert isinstance(conversation, ConversationSearch)
    assert archival.top_k == conversation.limit == given_to


def test_hits_in_budget_keeps_the_best_that_fit_as_they_are_shown() -> None:
    hits = [said(Text(text="word " * count)) for count in (100, 3_000, 100, 20)]

    assert hits_in_budget(hits, 130) == [hits[0], hits[3]]
    assert hits_in_budget(hits, 1_100) == [hits[0], hits[1], hits[2], hits[3]]
    assert hits_in_budget(hits, 1) == hits[:1]
    assert hits_in_budget(hits, None) == hits


def test_conversation_search_without_arguments_lists_all() -> None:
    assert look_up("conversation_search") == ConversationSearch(
        tool_call_id="call-1", query="", roles=(), limit=MOST_IN_BUDGET, start=None, end=None
    )


def test_conversation_search_takes_roles_and_dates() -> None:
    found = look_up(
        "conversation_search",
        query="tea",
        roles=["user", "nobody"],
        start_date="yesterday",
        end_date="today",
    )

    assert found == ConversationSearch(
        tool_call_id="call-1",
        query="tea",
        roles=("user",),
        limit=MOST_IN_BUDGET,
        start=datetime(2026, 11, 20, 23, tzinfo=UTC),
        end=datetime(2026, 11, 22, 22, 59, 59, 999999, tzinfo=UTC),
    )


def test_search_with_a_date_that_cannot_be_read_says_how_to_write_it() -> None:
    found = look_up("conversation_search", start_date="last summer")

    assert found == (
        "start_date `last summer` is not a date that can be read. Write it as 2026-03-14 or "
        "2026-03-14T09:30."
    )


def test_search_between_dates_the_wrong_way_round_is_refused() -> None:
    found = look_up("conversation_search", start_date="2026-02-02", end_date="2026-02-01")

    assert found == "start_date is after end_date, so nothing can be between them."


def test_search_of_one_day_covers_it_all() -> None:
    found = look_up("conversation_search", start_date="2026-02-01", end_date="2026-02-01")

    assert isinstance(found, ConversationSearch)
    assert found.start == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert found.end == datetime(2026, 2, 1, 22, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-14", datetime(2026, 3, 13, 23, tzinfo=UTC)),
        ("2026-03-14T09:30", datetime(2026, 3, 14, 8, 30, tzinfo=UTC)),
        ("2026-03-14 09:30:15", datetime(2026, 3, 14, 8, 30, 15, tzinfo=UTC)),
        ("2026-03-14T09:30Z", datetime(2026, 3, 14, 9, 30, tzinfo=UTC)),
        ("2026-03-14t09:30:00.5+02:00", datetime(2026, 3, 14, 7, 30, 0, 500000, tzinfo=UTC)),
        ("Now", NOW),
    ],
)
def test_parse_moment_reads_iso_in_the_agents_zone(text: str, expected: datetime) -> None:
    assert parse_moment(text, now=NOW, tz=ROME, is_end=False) == expected


@settings(max_examples=80, deadline=None)
@given(
    st.text(max_size=25)
    | st.from_regex(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(Z|[+-]\d\d:\d\d)?)?", fullmatch=True)
    | st.sampled_from(["0001-01-01", "9999-12-31", "9999-12-31T23:59-12:00"])
)
def test_parse_moment_of_any_text_is_utc_or_a_value_error(text: str) -> None:
    for offset in (-12, 14):
        zone = timezone(timedelta(hours=offset))
        try:
            moment = parse_moment(text, now=NOW, tz=zone, is_end=True)
        except ValueError:
            continue
        assert moment.utcoffset() == timedelta(0)


def passage(text: str = "Paris in May") -> Passage:
    return Passage(
        id=PassageId("passage-1"),
        archive_id=ArchiveId("archive-1"),
        text=text,
        tags=("travel",),
        created_at=NOW,
    )


def test_archival_hits_are_a_list_of_one_line_each() -> None:
    hits = [
        PassageHit(passage=passage(), score=0.26789, lexical_rank=1, vector_rank=2),
        PassageHit(passage=passage("Größe → 3"), score=0.1, vector_rank=4),
    ]

    text = render_archival_hits(hits, ROME)

    assert len(text.splitlines()) == 2
    assert "Größe → 3" in text
    assert json.loads(text) == [
        {
            "id": "passage-1",
            "timestamp": "2026-11-22T08:21:31+01:00",
            "content": "Paris in May",
            "tags": ["travel"],
            "relevance": {
                "rrf_score": 0.2679,
                "vector_rank": 2,
                "fts_rank": 1,
                "search_mode": "hybrid",
            },
        },
        {
            "id": "passage-1",
            "timestamp": "2026-11-22T08:21:31+01:00",
            "content": "Größe → 3",
            "tags": ["travel"],
            "relevance": {
                "rrf_score": 0.1,
                "vector_rank": 4,
                "fts_rank": None,
                "search_mode": "vector",
            },
        },
    ]


def test_archival_hits_of_nothing_are_an_empty_list() -> None:
    assert render_archival_hits([], UTC) == "[]"


def said(*parts: Any, role: Any = "user", ago: timedelta = timedelta()) -> MessageHit:
    message = Message(id="message-1", role=role, parts=parts, created_at=NOW - ago)
    return MessageHit(message=message, score=0.125, lexical_rank=1)


def test_conversation_hits_say_who_said_what_and_when() -> None:
    hits = [
        said(Text(text="I like tea"), ago=timedelta(hours=3)),
        said(Reasoning(text="hidden"), Text(text="Noted."), role="assistant"),
    ]

    found = json.loads(render_conversation_hits(hits, now=NOW, tz=UTC))

    assert found["message"] == "Showing 2 results:"
    assert found["results"][0] == {
        "timestamp": "2026-11-22T04:21:31+00:00",
        "time_ago": "3h ago",
        "role": "user",
        "relevance": {
            "rrf_score": 0.125,
            "vector_rank": None,
            "fts_rank": 1,
            "search_mode": "fts",
        },
        "content": "I like tea",
    }
    assert found["results"][1]["content"] == "Noted."


def test_conversation_hits_leave_out_the_search_itself() -> None:
    own = ToolReturn(tool_call_id="c", name="conversation_search", text="old results")
    other = ToolReturn(tool_call_id="c", name="weather", text="sunny")

    found = json.loads(
        render_conversation_hits(
            [said(own, role="tool"), said(other, role="tool")], now=NOW, tz=UTC
        )
    )

    assert [each["content"] for each in found["results"]] == ["weather returned: sunny"]


def test_conversation_hits_of_nothing_say_so() -> None:
    text = render_conversation_hits([], now=NOW, tz=UTC)

    assert json.loads(text) == {"message": "No results found.", "results": []}


def test_conversation_hits_show_the_beginning_of_a_huge_message() -> None:
    text = render_conversation_hits([said(Text(text="x" * 50_000))], now=NOW, tz=UTC)

    assert len(text) < 5_000
    assert "[46000 more characters]" in text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0s ago"), (16, "16s ago"), (60, "1m ago"), (7_199, "1h ago"), (200_000, "2d ago")],
)
def test_time_ago_uses_the_largest_whole_unit(seconds: int, expected: str) -> None:
    assert time_ago(NOW - timedelta(seconds=seconds), NOW) == expected


def pack(text: str, status: str = "success", limit_chars: int = 1_000) -> str:
    return pack_tool_return(text, status, now=NOW, tz=UTC, limit_chars=limit_chars)


def test_pack_tool_return_tells_status_message_and_time() -> None:
    assert json.loads(pack('said "hi"\nthere')) == {
        "status": "OK",
        "message": 'said "hi"\nthere',
        "time": "2026-11-22 07:21:31 AM UTC+0000",
    }


def test_pack_tool_return_of_an_error_is_failed() -> None:
    assert json.loads(pack("no", "error"))["status"] == "Failed"


def test_pack_tool_return_does_not_quote_json_again() -> None:
    packed = pack('{"found": [1, 2]}')

    assert '"message": {"found": [1, 2]},' in packed
    assert json.loads(packed)["message"] == {"found": [1, 2]}


def test_pack_tool_return_cuts_a_long_text_and_says_so() -> None:
    message = json.loads(pack("[" + "1, " * 1_000 + "1]", limit_chars=30))["message"]

    assert message.startswith("[1, 1, ")
    assert "The tool returned 3003 characters, of which the first 30 are shown" in message


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=50) | st.sampled_from(["{", "[1", "[NaN]", "[" * 3_000]))
def test_pack_tool_return_of_any_text_is_json(text: str) -> None:
    packed = json.loads(pack(text, limit_chars=40))

    assert packed["status"] == "OK"
