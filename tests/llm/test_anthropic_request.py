"""Request -> the body of Anthropic's messages API."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.conversations import (
    SEARCH,
    SEND,
    a_request,
    assistant,
    call,
    everything,
    matches_golden,
    returned,
    returns,
    user,
)
from support.wire_anthropic import problems_in

from remanence.core.exchange import Image, Reasoning, Request, Text, Turn
from remanence.errors import InvalidRequest
from remanence.llm.anthropic_request import to_body
from remanence.llm.anthropic_settings import headers_for
from remanence.llm.signatures import mark_gemini
from remanence.llm.vendors import VENDORS, configured

GOLDEN = Path(__file__).parent / "golden"
VENDOR = next(vendor for vendor in VENDORS if vendor.name == "anthropic")
HEADERS = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
# One model of each generation that accepts something else.
MODELS = [
    "claude-3-5-haiku-latest",
    "claude-sonnet-4-5",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-sonnet-5",
    "claude-opus-5-5",
]


def a_body(request: Request, *, stream: bool = False) -> dict[str, Any]:
    body = to_body(request, VENDOR, stream=stream)
    assert problems_in("/v1/messages", HEADERS | headers_for(body), body) == []
    return body


@pytest.mark.parametrize("model", MODELS)
def test_anthropic_request_of_everything_is_the_golden_one(model: str) -> None:
    body = a_body(everything(f"anthropic/{model}"), stream=True)

    assert matches_golden(GOLDEN, f"anthropic-{model}", body)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("choice", ["auto", "required", "none", "send_message"])
@pytest.mark.parametrize("budget", [None, 2000])
@pytest.mark.parametrize("effort", [None, "none", "minimal", "high"])
def test_every_combination_of_settings_is_accepted_by_the_wire(
    model: str, choice: str, budget: int | None, effort: str | None
) -> None:
    body = a_body(
        a_request(
            handle=f"anthropic/{model}",
            tools=(SEARCH, SEND),
            tool_choice=choice,
            thinking_budget_tokens=budget,
            reasoning_effort=effort,
            temperature=0.5,
            parallel_tool_calls=False,
        )
    )

    forced = body["tool_choice"]["type"] in {"any", "tool"}
    assert not (forced and model == "claude-opus-5-5")
    assert body["tool_choice"].get("disable_parallel_tool_use", False) == (choice != "none")


@pytest.mark.parametrize(
    ("model", "settings", "thinking"),
    [
        ("claude-3-5-haiku-latest", {"thinking_budget_tokens": 2000}, None),
        ("claude-sonnet-4-5", {}, None),
        (
            "claude-sonnet-4-5",
            {"thinking_budget_tokens": 500},
            {"type": "enabled", "budget_tokens": 1024},
        ),
        ("claude-opus-4-8", {}, None),
        ("claude-opus-4-8", {"reasoning_effort": "high"}, "adaptive"),
        ("claude-sonnet-5", {}, "adaptive"),
        ("claude-sonnet-5", {"reasoning_effort": "none"}, {"type": "disabled"}),
        ("claude-opus-5-5", {"reasoning_effort": "none"}, "adaptive"),
        ("claude-of-the-future", {}, "adaptive"),
    ],
)
def test_thinking_is_asked_for_as_the_generation_wants(
    model: str, settings: dict[str, Any], thinking: Any
) -> None:
    adaptive = {
        "type": "adaptive",
        "display": "summarized",
        "block_binding": {"prefix_mismatch_behavior": "drop_block"},
    }

    body = a_body(a_request(handle=f"anthropic/{model}", **settings))

    assert body.get("thinking") == (adaptive if thinking == "adaptive" else thinking)


def test_binding_control_is_not_sent_to_another_address() -> None:
    env = {"ANTHROPIC_BASE_URL": "http://localhost:1"}
    vendor = configured(env)[0].vendor

    body = to_body(a_request(handle="anthropic/claude-opus-5-5"), vendor, stream=False)

    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert headers_for(body) == {}


def test_output_limit_is_always_there_and_above_the_thinking_budget() -> None:
    limits = [
        a_body(a_request(handle=f"anthropic/{model}", **settings))["max_tokens"]
        for model, settings in [
            ("claude-sonnet-4-5", {}),
            ("claude-opus-5-5", {}),
            ("claude-opus-5-5", {"max_output_tokens": 500}),
            ("claude-sonnet-4-5", {"max_output_tokens": 500, "thinking_budget_tokens": 2000}),
            ("claude-sonnet-4-5", {"max_output_tokens": 5000, "thinking_budget_tokens": 2000}),
        ]
    ]

    assert limits == [8192, 32000, 500, 2500, 5000]


def test_thinking_by_budget_waits_when_the_tool_loop_began_without_it() -> None:
    def body(*parts: Any) -> dict[str, Any]:
        turns = (user("a"), assistant(*parts, call("call_1")), returns(returned("call_1")))
        handle = "anthropic/claude-sonnet-4-5"
        return a_body(a_request(*turns, handle=handle, thinking_budget_tokens=2000))

    assert "thinking" not in body()
    assert "thinking" in body(Reasoning(text="hm", signature="sig"))


def test_thoughts_go_back_as_they_came_and_foreign_ones_stay_behind() -> None:
    thoughts = [
        Reasoning(text="mine", signature="sig"),
        Reasoning(text="", signature="sig-of-a-silent-thought"),
        Reasoning(text="", redacted="opaque"),
        Reasoning(text="unsigned"),
        Reasoning(text="", redacted=mark_gemini("x")),
    ]

    body = a_body(a_request(user("a"), assistant(*thoughts, "b"), user("c")))

    assert body["messages"][1]["content"][:-1] == [
        {"type": "thinking", "thinking": "mine", "signature": "sig"},
        {"type": "thinking", "thinking": "", "signature": "sig-of-a-silent-thought"},
        {"type": "redacted_thinking", "data": "opaque"},
    ]


def test_cache_marks_are_at_most_four_and_the_earlier_user_mark_is_the_former_end() -> None:
    first = a_request(user("a"), tools=(SEARCH, SEND))
    later = replace(
        first, turns=(*first.turns, assistant(call("call_1")), returns(returned("call_1")))
    )

    before, after = a_body(first), a_body(later)

    assert json.dumps(after).count("cache_control") == 4
    assert after["messages"][0] == before["messages"][0]
    assert "cache_control" in after["tools"][-1]
    assert "cache_control" in after["system"][0]
    assert "cache_control" in after["messages"][-1]["content"][-1]


def test_a_third_user_turn_moves_the_marks() -> None:
    body = a_body(a_request(user("a"), assistant("b"), user("c"), assistant("d"), user("e")))

    marked = ["cache_control" in json.dumps(message) for message in body["messages"]]
    assert marked == [False, False, True, False, True]


@pytest.mark.parametrize(
    "turns",
    [
        (assistant("a"),),
        (user(" "), assistant("a")),
        (user("a"), user("b"), assistant(Reasoning(text="x")), user("c")),
        (user("a"), assistant("b"), assistant("c")),
        (user("a"), assistant(call("x")), returns(returned("x", "")), user("b")),
    ],
)
def test_roles_alternate_whatever_the_turns_are(turns: tuple[Turn, ...]) -> None:
    body = a_body(a_request(*turns, handle="anthropic/claude-sonnet-4-5"))

    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


def test_part_in_the_wrong_turn_raises() -> None:
    misplaced = [
        Turn(role="user", parts=(call("call_1"),)),
        Turn(role="assistant", parts=(Image(url="https://example.org/x.png"),)),
        Turn(role="tool", parts=(Text(text="x"),)),
    ]

    for turn in misplaced:
        with pytest.raises(TypeError, match="has no place"):
            to_body(a_request(turn), VENDOR, stream=False)


def test_data_url_becomes_an_inline_image() -> None:
    body = a_body(a_request(user(Image(url="data:image/gif;base64,R0lGOD"))))

    source = body["messages"][0]["content"][0]["source"]
    assert source == {"type": "base64", "media_type": "image/gif", "data": "R0lGOD"}


def test_response_format_by_schema_is_sent_and_plain_json_mode_is_refused() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    handle = "anthropic/claude-opus-4-6"

    body = a_body(a_request(handle=handle, response_format=wanted))

    assert body["output_config"]["format"] == {"type": "json_schema", "schema": {"type": "object"}}
    assert "output_config" not in a_body(a_request(handle=handle, response_format={"type": "text"}))
    with pytest.raises(InvalidRequest, match="json_schema"):
        a_body(a_request(handle=handle, response_format={"type": "json_object"}))


def test_tool_choice_of_an_unknown_tool_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="fly"):
        a_body(a_request(tools=(SEARCH,), tool_choice="fly"))
