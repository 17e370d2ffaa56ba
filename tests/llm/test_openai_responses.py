"""OpenAI's Responses API: the body of a request, odd answers, and thoughts kept through a loop."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter
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
from support.wire_responses import events, problems_in, whole
from support.wires import ResponsesServer, a_reply

from remanence.core.exchange import Image, Reasoning, Reply, Text, ToolCall, Turn, Usage
from remanence.errors import (
    InvalidRequest,
    ProviderBadReply,
    ProviderOverloaded,
    ProviderRejected,
    SettingsError,
)
from remanence.llm.models import Models
from remanence.llm.openai_responses_reply import read_events, read_whole
from remanence.llm.openai_responses_request import conceded, to_body
from remanence.llm.signatures import mark_gemini, mark_openai
from remanence.llm.vendors import VENDORS, Provider, configured

GOLDEN = Path(__file__).parent / "golden"
OPENAI = next(vendor for vendor in VENDORS if vendor.name == "openai")
AUTHORIZED = {"authorization": "Bearer x"}
THOUGHT = Reasoning(text="I should look.", signature=mark_openai("rs_1", "gAAA="))
A_THOUGHT_BACK = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "I should look."}],
    "encrypted_content": "gAAA=",
}
REPLY = a_reply(
    Reasoning(text="I should look.", signature="openai:rs_0:enc"),
    "Let me look.",
    ToolCall(tool_call_id="call_a", name=SEARCH.name, arguments='{"query": "tea"}'),
    finish="tool_calls",
    usage=Usage(prompt_tokens=50, completion_tokens=9, cached_input_tokens=30, reasoning_tokens=4),
)


def fail(body: Any) -> ProviderOverloaded:
    return ProviderOverloaded(str(body))


def a_provider(server: ResponsesServer) -> Provider:
    return Provider(vendor=OPENAI, base_url=server.base_url, api_key="k")


@pytest.mark.parametrize("model", ["gpt-4o", "o3", "gpt-6-sol"])
def test_responses_request_of_everything_is_the_golden_one(model: str) -> None:
    request = everything(f"openai/{model}")
    turns = (*request.turns, assistant(THOUGHT, call("call_2")), returns(returned("call_2")))
    request = replace(request, turns=turns)

    body = to_body(request, OPENAI, stream=True)

    assert problems_in("/v1/responses", AUTHORIZED, body) == []
    assert matches_golden(GOLDEN, f"responses-{model}", body)


@pytest.mark.parametrize("stream", [True, False])
def test_responses_request_is_what_the_package_takes(stream: bool) -> None:
    body = to_body(everything("openai/gpt-5.5"), OPENAI, stream=stream)

    params = ResponseCreateParamsStreaming if stream else ResponseCreateParamsNonStreaming
    TypeAdapter(params).validate_python(body)


def test_loopback_answers_are_what_the_package_reads() -> None:
    body = {"model": "gpt-5.5"}
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

    told = [json.loads(e.partition("data: ")[2]) for e in events(REPLY, body, True)]

    for event in told:
        assert adapter.validate_python(event, strict=False).type == event["type"]
    assert Response.model_validate(whole(REPLY, body, "")).output_text == "Let me look."


@pytest.mark.parametrize("streamed", [True, False])
def test_answer_is_read_whole_and_streamed(streamed: bool) -> None:
    request, body = a_request(handle="openai/gpt-5.5"), {"model": "gpt-5.5"}

    if streamed:
        told = [json.loads(e.partition("data: ")[2]) for e in events(REPLY, body, True)]
        *deltas, reply = read_events(told, request, fail)
        assert len(deltas) > 3
    else:
        reply = read_whole(whole(REPLY, body, ""), request, fail)

    assert reply == replace(REPLY, model="gpt-5.5")


def test_thought_goes_back_with_what_it_led_to_and_not_without() -> None:
    request = a_request(
        user("a"),
        assistant(THOUGHT, call("call_1")),
        returns(returned("call_1")),
        assistant(Reasoning(text="", redacted=mark_openai("rs_2", "gBBB="))),
        user("b"),
        handle="openai/gpt-5.5",
        tools=(SEARCH,),
    )

    items: Any = to_body(request, OPENAI, stream=False)["input"]

    assert items[1] == A_THOUGHT_BACK
    assert [item.get("type") for item in items].count("reasoning") == 1


def test_thoughts_of_others_stay_behind() -> None:
    request = a_request(
        user("a"),
        assistant(Reasoning(text="hm", signature="sig"), "so"),
        assistant(Reasoning(text="", redacted=mark_gemini("sig")), call("call_1")),
        returns(returned("call_1")),
        handle="openai/o3",
    )

    assert "reasoning" not in json.dumps(to_body(request, OPENAI, stream=False)["input"])


def test_newer_models_see_which_words_were_an_answer() -> None:
    request = a_request(
        user("a"), assistant("Let me look.", call("call_1")), returns(returned("call_1")),
        assistant("Tea."), user("b"), handle="openai/gpt-5.5",
    )  # fmt: skip
    older = replace(request, handle="openai/o3")

    found = [
        [i.get("phase") for i in body["input"] if i.get("role") == "assistant"]  # type: ignore[union-attr]
        for body in (to_body(r, OPENAI, stream=False) for r in (request, older))
    ]

    assert found == [["commentary", "final_answer"], [None, None]]


def test_settings_are_spelled_as_the_responses_api_wants() -> None:
    schema = {"name": "x", "schema": {"type": "object"}, "strict": True}
    request = a_request(
        handle="openai/gpt-5.5",
        temperature=0.5,
        max_output_tokens=3,
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": schema},
        tools=(SEARCH, SEND),
        tool_choice="send_message",
        cache_key="conv-1",
    )

    body = to_body(request, OPENAI, stream=False)

    assert "temperature" not in body
    assert body["max_output_tokens"] == 16
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["text"] == {"format": {"type": "json_schema", **schema}}
    assert body["tool_choice"] == {"type": "function", "name": "send_message"}
    assert body["prompt_cache_key"] == "conv-1"
    with pytest.raises(InvalidRequest):
        to_body(replace(request, tool_choice="fly"), OPENAI, stream=False)


def test_part_in_the_wrong_turn_of_a_responses_request_raises() -> None:
    misplaced = [
        Turn(role="user", parts=(call("call_1"),)),
        Turn(role="assistant", parts=(Image(url="https://example.org/x.png"),)),
        Turn(role="tool", parts=(Text(text="x"),)),
    ]

    for turn in misplaced:
        with pytest.raises(TypeError, match="has no place"):
            to_body(a_request(turn), OPENAI, stream=False)


@pytest.mark.parametrize(
    ("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_incomplete_answer_says_why(reason: str, finish: str) -> None:
    body = whole(a_reply("half"), {}, "")
    body |= {"status": "incomplete", "incomplete_details": {"reason": reason}}

    assert read_whole(body, a_request(), fail).finish == finish


def test_failed_answer_is_its_own_error() -> None:
    body = whole(a_reply("x"), {}, "")
    body |= {"status": "failed", "error": {"code": "server_error", "message": "m"}}

    with pytest.raises(ProviderOverloaded, match="server_error"):
        read_whole(body, a_request(), fail)
    with pytest.raises(ProviderOverloaded, match="server_error"):
        list(read_events([{"type": "response.failed", "response": body}], a_request(), fail))


@pytest.mark.parametrize(
    "told",
    [
        [],
        [{"type": "response.output_item.added", "output_index": 0, "item": {"type": "magic"}}],
        [{"type": "response.completed", "response": {"status": "sleeping"}}],
    ],
)
def test_stream_that_cannot_be_placed_is_a_bad_reply(told: list[Any]) -> None:
    with pytest.raises(ProviderBadReply):
        list(read_events(told, a_request(), fail))


def test_refusal_is_said_and_items_without_fragments_are_read_from_their_end() -> None:
    item = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    told: list[Any] = [
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"status": "completed"}},
    ]

    reply = list(read_events(told, a_request(), fail))[-1]

    assert isinstance(reply, Reply)
    assert (reply.text, reply.usage) == ("No.", None)


@pytest.mark.parametrize("stream", [True, False])
def test_thought_survives_a_tool_loop(stream: bool) -> None:
    with ResponsesServer() as server:
        models = Models([a_provider(server)])
        server.answers += [
            a_reply(Reasoning(text="", redacted="gAAA="), call("call_1"), finish="tool_calls"),
            a_reply("Ann does."),
        ]
        request = a_request(user("Who?"), handle="openai/gpt-6-sol", tools=(SEARCH,))
        for _ in range(2):
            *_, reply = models.call(request, stream=stream, deadline=time.monotonic() + 10)
            assert isinstance(reply, Reply)
            turns = (*request.turns, assistant(*reply.parts), returns(returned("call_1")))
            request = replace(request, turns=turns)
        models.close()

    items = server.bodies[1]["input"]
    assert items[1] == {
        "type": "reasoning",
        "id": "rs_0",
        "summary": [],
        "encrypted_content": "gAAA=",
    }
    assert items[2]["call_id"] == items[3]["call_id"] == "call_1"
    assert server.problems == []


def test_what_the_api_refuses_is_left_out_and_nothing_else() -> None:
    request = a_request(user("a"), assistant(THOUGHT, "b"), user("c"), handle="openai/o3")
    body = to_body(request, OPENAI, stream=False)

    unread = conceded(body, {"invalid_encrypted_content"})
    unverified = conceded(body, {"unsupported_value", "reasoning.summary"})

    assert unread is not None
    assert unread["input"] == [i for i in body["input"] if i != A_THOUGHT_BACK]  # type: ignore[union-attr]
    assert conceded(unread, {"invalid_encrypted_content"}) is None
    assert unverified == body | {"reasoning": {}}
    assert conceded(body, {"invalid_request_error"}) is None


class Grudging(ResponsesServer):
    """Refuses summaries, and thoughts that it did not encrypt."""

    def refuse(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The error for a body, or None."""
        error: dict[str, Any] = {"type": "invalid_request_error", "message": "no"}
        if "summary" in body.get("reasoning", {}):
            return error | {"code": "unsupported_value", "param": "reasoning.summary"}
        if any(item.get("type") == "reasoning" for item in body["input"]):
            return error | {"code": "invalid_encrypted_content", "param": None}
        return None


def test_agent_goes_on_with_another_key_and_without_verification() -> None:
    with Grudging() as server:
        models = Models([a_provider(server)])
        request = a_request(user("a"), assistant(THOUGHT, "b"), user("c"), handle="openai/o3")
        for _ in range(2):
            *_, reply = models.call(request, stream=True, deadline=time.monotonic() + 10)
            assert isinstance(reply, Reply)
            assert reply.text == "ok"
        models.close()

    # Summaries are not asked for again; a thought is tried, since another key may be set.
    assert len(server.bodies) == 5


def test_other_refusals_are_told() -> None:
    with ResponsesServer() as server:
        models = Models([a_provider(server)])
        wrong = a_request(handle="openai/o3")
        with pytest.raises(ProviderRejected):
            list(
                models.call(
                    replace(wrong, system="", turns=()),
                    stream=False,
                    deadline=time.monotonic() + 9,
                )
            )
        models.close()


@pytest.mark.parametrize(
    ("env", "row"),
    [
        ({}, "reasoning"),
        ({"OPENAI_WIRE": "auto"}, "reasoning"),
        ({"OPENAI_WIRE": "chat"}, "never"),
        ({"OPENAI_WIRE": "Responses "}, "always"),
        ({"OPENAI_BASE_URL": "http://x:1/v1"}, "never"),
        ({"OPENAI_BASE_URL": "http://x:1/v1", "OPENAI_WIRE": "responses"}, "always"),
    ],
)
def test_environment_chooses_the_wire(env: dict[str, str], row: str) -> None:
    assert configured({"OPENAI_API_KEY": "k"} | env)[0].vendor.responses == row


def test_wire_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="OPENAI_WIRE"):
        configured({"OPENAI_API_KEY": "k", "OPENAI_WIRE": "telegraph"})
