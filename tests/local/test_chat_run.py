from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from support.letta_server import call, end, ping, returned, text, thought

from remanence.local.chat_run import (
    Edit,
    RunReader,
    Used,
    call_in_short,
    edits_between,
    results_in,
)


@dataclass
class Recorder:
    """A view that writes down what it is told; waiting is left out."""

    seen: list[tuple[Any, ...]] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def wait(self, what: str) -> None:
        self.waits.append(what)

    def say(self, text: str, *, is_new: bool) -> None:
        self.seen.append(("say", text, is_new))

    def think(self, text: str, *, is_new: bool) -> None:
        self.seen.append(("think", text, is_new))

    def called(self, name: str, arguments: str, result: str, *, is_ok: bool) -> None:
        self.seen.append(("called", name, arguments, result, is_ok))

    def edited(self, edits: list[Edit]) -> None:
        self.seen.append(("edited", edits))

    def failed(self, message: str) -> None:
        self.seen.append(("failed", message))

    def remark(self, text: str) -> None:
        self.seen.append(("remark", text))

    def used(self, used: Used) -> None:
        self.seen.append(("used", used))


def shown(events: list[dict[str, Any]], *, blocks_now: dict[str, str] | None = None) -> Recorder:
    view = Recorder()
    reader = RunReader(view, lambda: blocks_now or {}, {"human": "Home: Lisbon\nName: Ada"})
    for event in events:
        reader.take(event)
    return view


def test_text_in_fragments_is_one_message_until_the_id_changes() -> None:
    view = shown([text("a "), text("b"), text("c", otid="01"), text("d", "message-2", "01")])

    assert view.seen == [
        ("say", "a ", True),
        ("say", "b", False),
        ("say", "c", True),
        ("say", "d", True),
    ]


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]

    view = shown([{"message_type": "assistant_message", "id": "m", "content": parts}])

    assert view.seen == [("say", "ab", True)]


def test_reasoning_before_text_is_a_thing_of_its_own() -> None:
    view = shown([thought("hm "), thought("yes"), text("hello")])

    assert view.seen == [("think", "hm ", True), ("think", "yes", False), ("say", "hello", True)]


def test_tool_call_in_fragments_is_shown_whole_with_its_return() -> None:
    view = shown([*call("roll_dice", {"sides": 6}), returned("roll_dice", "4")])

    assert view.seen == [("called", "roll_dice", '{"sides": 6}', "4", True)]
    assert "calling roll_dice" in view.waits


def test_tool_call_whole_as_in_step_mode_is_shown_once() -> None:
    one = {"name": "roll_dice", "arguments": "{}", "tool_call_id": "call-1"}
    event = {"message_type": "tool_call_message", "id": "m", "tool_call": one, "tool_calls": [one]}

    view = shown([event, returned("roll_dice", "4")])

    assert view.seen == [("called", "roll_dice", "{}", "4", True)]


def test_parallel_calls_meet_their_own_returns() -> None:
    both = returned("b", "2", call_id="call-2")
    both["tool_returns"] = [*both["tool_returns"], *returned("a", "1")["tool_returns"]]

    view = shown([*call("a", {}), *call("b", {}, "call-2"), both])

    assert view.seen == [("called", "b", "{}", "2", True), ("called", "a", "{}", "1", True)]


def test_memory_tool_is_followed_by_what_changed() -> None:
    events = [*call("memory_replace", {}), returned("memory_replace", "ok")]

    view = shown(events, blocks_now={"human": "Home: Porto\nName: Ada", "work": "x"})

    assert view.seen[1] == (
        "edited",
        [Edit("human", ("Home: Lisbon",), ("Home: Porto",)), Edit("work", (), ("x",))],
    )


def test_memory_tool_that_failed_changes_nothing() -> None:
    events = [*call("memory_replace", {}), returned("memory_replace", "no", status="error")]

    view = shown(events, blocks_now={})

    assert view.seen == [("called", "memory_replace", "{}", "no", False)]


def test_call_that_waits_for_an_approval_is_shown_at_the_end() -> None:
    asks = {**call("pay", {"eur": 5})[0], "message_type": "approval_request_message"}

    view = shown([asks, *end("requires_approval")])

    assert view.seen[0] == ("called", "pay", "", "", True)
    assert "approval" in view.seen[1][1]


def test_usage_is_told_last() -> None:
    view = shown([ping(), text("hi"), *end(steps=2)])

    assert view.seen[-1] == ("used", Used(2, 1234, 56, 1000))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("max_steps", "as many steps"),
        ("cancelled", "cancelled"),
        ("something_new", "something_new"),
    ],
)
def test_unusual_end_is_told(reason: str, words: str) -> None:
    assert words in shown(end(reason)).seen[0][1]


@pytest.mark.parametrize("reason", ["end_turn", "tool_rule"])
def test_ordinary_end_is_not_told(reason: str) -> None:
    assert [seen[0] for seen in shown(end(reason)).seen] == ["used"]


def test_error_event_is_a_failure_in_the_server_s_words() -> None:
    view = shown([{"message_type": "error_message", "message": "model is down", "detail": "x"}])

    assert view.seen == [("failed", "model is down")]


def test_unknown_kinds_of_events_are_passed_over() -> None:
    assert shown([ping(), {"message_type": "something_new"}]).seen == []


def test_reader_knows_the_run_and_that_it_is_over() -> None:
    reader = RunReader(Recorder(), dict, {})

    reader.take(ping("run-7"))
    before = reader.is_over
    reader.take(end()[0])

    assert (reader.run_id, before, reader.is_over) == ("run-7", False, True)


def test_edits_between_equal_blocks_are_none() -> None:
    assert edits_between({"a": "x", "b": ""}, {"a": "x", "b": ""}) == []


def test_edit_of_one_line_names_only_that_line() -> None:
    before, after = {"a": "one\ntwo\nthree"}, {"a": "one\n2\nthree\nfour"}

    assert edits_between(before, after) == [Edit("a", ("two",), ("2", "four"))]


def test_detached_block_loses_its_lines() -> None:
    assert edits_between({"a": "x\ny"}, {}) == [Edit("a", ("x", "y"), ())]


@pytest.mark.parametrize(
    ("arguments", "short"),
    [
        ('{"query": "wifi"}', 'search "wifi"'),
        ('{"query": "ワイファイ", "request_heartbeat": true}', 'search "ワイファイ"'),
        ('{"a": 1, "b": [true]}', "search a=1, b=[true]"),
        ("{}", "search"),
        ("", "search"),
        ("{broken", "search {broken"),
    ],
)
def test_call_in_short_shows_what_matters(arguments: str, short: str) -> None:
    assert call_in_short("search", arguments) == short


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ('[{"content": "a"}, {"text": "b"}]', ["a", "b"]),
        ('{"message": "Showing 1", "results": [{"content": "a"}]}', ["a"]),
        ('{"results": []}', []),
        ('{"status": "fine"}', None),
        ("plain words", None),
        ("4", None),
    ],
)
def test_results_of_a_search_are_recognised(result: str, found: list[str] | None) -> None:
    assert results_in(result) == found
