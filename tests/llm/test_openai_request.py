"""Request -> the body of OpenAI's chat completions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

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
from support.wire_openai import problems_in

from remanence.core.exchange import Image, Reasoning, Text, ToolCall, Turn
from remanence.errors import InvalidRequest
from remanence.llm.openai_request import to_body
from remanence.llm.signatures import mark_gemini
from remanence.llm.vendors import VENDORS, configured

GOLDEN = Path(__file__).parent / "golden"
VENDOR = {vendor.name: vendor for vendor in VENDORS}
BY_OPENAI = [vendor.name for vendor in VENDORS if vendor.wire == "openai"]


@pytest.mark.parametrize("name", BY_OPENAI)
def test_openai_request_of_everything_is_the_golden_one(name: str) -> None:
    request = everything(f"{name}/some-model")

    body = to_body(request, VENDOR[name], stream=True)

    assert problems_in("/v1/chat/completions", {"authorization": "Bearer x"}, body) == []
    assert matches_golden(GOLDEN, f"openai-{name}", body)


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ("send_message", {"type": "function", "function": {"name": "send_message"}}),
    ],
)
def test_tool_choice_is_spelled_as_the_wire_wants(choice: str, sent: object) -> None:
    request = a_request(tools=(SEARCH, SEND), tool_choice=choice)

    assert to_body(request, VENDOR["openai"], stream=False)["tool_choice"] == sent


def test_tool_choice_of_an_unknown_tool_is_refused() -> None:
    request = a_request(tools=(SEARCH,), tool_choice="fly")

    with pytest.raises(InvalidRequest, match="fly") as caught:
        to_body(request, VENDOR["openai"], stream=False)

    assert caught.value.field == "tool_choice"


def test_request_without_tools_says_nothing_of_tools() -> None:
    body = to_body(
        a_request(tool_choice="none", parallel_tool_calls=False), VENDOR["openai"], stream=False
    )

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()


def test_request_not_streamed_has_no_stream_fields() -> None:
    body = to_body(a_request(), VENDOR["openai"], stream=False)

    assert not {"stream", "stream_options"} & body.keys()


def test_part_in_the_wrong_turn_raises() -> None:
    misplaced = [
        Turn(role="user", parts=(call("call_1"),)),
        Turn(role="assistant", parts=(Image(url="https://example.org/x.png"),)),
        Turn(role="tool", parts=(Text(text="x"),)),
    ]

    for turn in misplaced:
        with pytest.raises(TypeError, match="has no place"):
            to_body(a_request(turn), VENDOR["openai"], stream=False)


@pytest.mark.parametrize(
    ("model", "with_tools", "without_tools"),
    [
        ("gpt-4o", {"temperature": 0.5, "reasoning_effort": "low"}, None),
        ("gpt-5-mini", {"reasoning_effort": "low"}, None),
        ("gpt-5-chat-latest", {"temperature": 0.5, "reasoning_effort": "low"}, None),
        ("gpt-5.4", {}, {"reasoning_effort": "low"}),
        ("gpt-6-sol", {"reasoning_effort": "none"}, {"reasoning_effort": "low"}),
    ],
)
def test_settings_that_a_model_refuses_are_left_out(
    model: str, with_tools: dict[str, object], without_tools: dict[str, object] | None
) -> None:
    plain = a_request(handle=f"openai/{model}", temperature=0.5, reasoning_effort="low")
    names = {"temperature", "reasoning_effort"}

    bodies = [
        to_body(replace(plain, tools=tools), VENDOR["openai"], stream=False)
        for tools in ((SEARCH,), ())
    ]

    sent = [{k: v for k, v in body.items() if k in names} for body in bodies]
    assert sent == [with_tools, with_tools if without_tools is None else without_tools]


@pytest.mark.parametrize(
    ("base_url", "model", "field"),
    [
        ("", "gpt-4o", "max_completion_tokens"),
        ("http://localhost:1234/v1", "llama", "max_tokens"),
        ("http://localhost:1234/v1", "o3", "max_completion_tokens"),
    ],
)
def test_output_limit_is_spelled_for_the_server_and_the_model(
    base_url: str, model: str, field: str
) -> None:
    env = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": base_url}
    vendor = configured(env)[0].vendor
    request = a_request(handle=f"openai/{model}", max_output_tokens=7, cache_key="conv-1")

    body = to_body(request, vendor, stream=False)

    assert body[field] == 7
    assert len({"max_tokens", "max_completion_tokens"} & body.keys()) == 1
    assert ("prompt_cache_key" in body) == (not base_url)


def test_response_format_is_passed_on_and_plain_text_is_not() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}

    bodies = [
        to_body(a_request(response_format=given), VENDOR["openai"], stream=False)
        for given in (schema, {"type": "text"})
    ]

    assert bodies[0]["response_format"] == schema
    assert "response_format" not in bodies[1]


def test_reasoning_goes_back_to_deepseek_with_each_tool_call_only() -> None:
    request = a_request(
        user("a"),
        assistant(Reasoning(text="hm"), call("call_1")),
        returns(returned("call_1")),
        assistant(Reasoning(text="so"), "done"),
        user("b"),
        assistant(call("call_2")),
        returns(returned("call_2")),
        handle="deepseek/deepseek-v4-pro",
    )

    messages = to_body(request, VENDOR["deepseek"], stream=False)["messages"]

    assert isinstance(messages, list)
    found = [m.get("reasoning_content") for m in messages if m["role"] == "assistant"]  # type: ignore[union-attr,index]
    assert found == ["hm", None, ""]


def test_thought_signature_goes_back_with_its_call_to_gemini_only() -> None:
    signed = assistant(Reasoning(text="", redacted=mark_gemini("sig")), call("call_1"))
    foreign = assistant(call("call_2"), call("call_3"))
    request = a_request(
        user("a"),
        signed,
        returns(returned("call_1")),
        foreign,
        returns(returned("call_2"), returned("call_3")),
    )

    to_gemini = to_body(
        replace(request, handle="gemini/gemini-3-flash"), VENDOR["gemini"], stream=False
    )
    to_openai = to_body(request, VENDOR["openai"], stream=False)

    calls = [c for m in to_gemini["messages"] for c in m.get("tool_calls", [])]  # type: ignore[union-attr]
    signatures = [c.get("extra_content", {}).get("google", {}) for c in calls]
    assert [s.get("thought_signature") for s in signatures] == [
        "sig",
        "skip_thought_signature_validator",
        None,
    ]
    assert "extra_content" not in json.dumps(to_openai)
    assert "gemini:" not in json.dumps(to_openai)


def test_consecutive_requests_share_their_prefix() -> None:
    first = a_request(user("a"), tools=(SEARCH,))
    later = replace(
        first,
        turns=(*first.turns, assistant("hm", call("call_1")), returns(returned("call_1"))),
    )

    before, after = (to_body(r, VENDOR["openai"], stream=True) for r in (first, later))

    assert isinstance(before["messages"], list)
    assert isinstance(after["messages"], list)
    assert after["messages"][: len(before["messages"])] == before["messages"]
    assert before["tools"] == after["tools"]


def test_arguments_that_are_no_object_are_shown_wrapped() -> None:
    broken = ToolCall(tool_call_id="call_1", name="x", arguments="[1]")
    request = a_request(user("a"), assistant(broken), returns(returned("call_1")))

    messages = to_body(request, VENDOR["vllm"], stream=False)["messages"]

    arguments = messages[2]["tool_calls"][0]["function"]["arguments"]  # type: ignore[index,call-overload]
    assert json.loads(arguments) == {"invalid_arguments": "[1]"}
