"""The answers of Anthropic's messages API -> a Reply."""

from __future__ import annotations

from typing import Any

import pytest
from support.conversations import a_request, assistant, call, returned, returns, user

from remanence.core.exchange import (
    Delta,
    Reasoning,
    ReasoningDelta,
    Reply,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from remanence.errors import ProviderBadReply
from remanence.llm.anthropic_reply import read_events, read_whole

USAGE = {"input_tokens": 10, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5}
START = {"type": "message_start", "message": {"model": "m", "usage": USAGE | {"output_tokens": 1}}}
STOP = {"type": "message_stop"}


def a_block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[Any]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def an_end(reason: str, **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def said(text: str) -> dict[str, Any]:
    return {"type": "text_delta", "text": text}


def streamed(*events: Any, request: Any = None) -> tuple[list[Delta], Reply]:
    *deltas, reply = read_events(events, request or a_request())
    assert isinstance(reply, Reply)
    return deltas, reply  # type: ignore[return-value]


def test_stream_of_every_block_gives_deltas_and_the_whole_reply() -> None:
    deltas, reply = streamed(
        START,
        {"type": "ping"},
        *a_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "I think"},
            {"type": "signature_delta", "signature": "si"},
            {"type": "signature_delta", "signature": "g"},
        ),
        *a_block(1, {"type": "redacted_thinking", "data": "opaque"}),
        *a_block(2, {"type": "text", "text": ""}, said("Hel"), said("lo")),
        *a_block(
            3,
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": '{"x"'},
            {"type": "input_json_delta", "partial_json": ": 1}"},
        ),
        an_end("tool_use", output_tokens=42, output_tokens_details={"thinking_tokens": 30}),
        STOP,
    )

    assert deltas == [
        ReasoningDelta(text="I think"),
        TextDelta(text="Hel"),
        TextDelta(text="lo"),
        ToolCallDelta(tool_call_id="toolu_1", name="f"),
        ToolCallDelta(tool_call_id="toolu_1", arguments='{"x"'),
        ToolCallDelta(tool_call_id="toolu_1", arguments=": 1}"),
    ]
    assert reply == Reply(
        parts=(
            Reasoning(text="I think", signature="sig"),
            Reasoning(text="", redacted="opaque"),
            Text(text="Hello"),
            ToolCall(tool_call_id="toolu_1", name="f", arguments='{"x": 1}'),
        ),
        finish="tool_calls",
        usage=Usage(
            prompt_tokens=95,
            completion_tokens=42,
            cached_input_tokens=80,
            cache_write_tokens=5,
            reasoning_tokens=30,
        ),
        model="m",
    )


def test_whole_answer_is_read_like_a_stream() -> None:
    body: Any = {
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "", "signature": "sig"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": "é"}},
            {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
        ],
        "stop_reason": "tool_use",
        "usage": USAGE | {"output_tokens": 42},
    }

    reply = read_whole(body, a_request())

    assert reply.parts == (
        Reasoning(text="", signature="sig"),
        Text(text="Hello"),
        ToolCall(tool_call_id="toolu_1", name="f", arguments='{"x": "é"}'),
        ToolCall(tool_call_id="toolu_2", name="g", arguments="{}"),
    )
    assert reply.usage == Usage(
        prompt_tokens=95, completion_tokens=42, cached_input_tokens=80, cache_write_tokens=5
    )


def test_neighbouring_thoughts_stay_apart_with_their_own_signatures() -> None:
    thoughts = [{"type": "thinking", "thinking": t, "signature": f"sig-{t}"} for t in ("a", "b")]
    body: Any = {"content": [*thoughts, {"type": "text", "text": "x"}], "stop_reason": "end_turn"}

    reply = read_whole(body, a_request())

    assert reply.parts[:2] == (
        Reasoning(text="a", signature="sig-a"),
        Reasoning(text="b", signature="sig-b"),
    )
    assert reply.usage is None


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_stop_reason_is_mapped(reason: str, finish: str) -> None:
    block = a_block(0, {"type": "text", "text": ""}, said("x"))

    assert streamed(START, *block, an_end(reason), STOP)[1].finish == finish


def test_counts_of_the_start_hold_unless_the_end_repeats_them() -> None:
    block = a_block(0, {"type": "text", "text": ""}, said("x"))
    end = an_end("end_turn", output_tokens=7, input_tokens=11, cache_read_input_tokens=None)

    usage = streamed(START, *block, end, STOP)[1].usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (11 + 80 + 5, 7)


def test_event_of_unknown_type_is_passed_over() -> None:
    block = a_block(0, {"type": "text", "text": ""}, said("x"))

    assert streamed(START, {"type": "new"}, *block, an_end("end_turn"), STOP)[1].text == "x"


def test_silence_after_tool_returns_ends_the_turn() -> None:
    request = a_request(user("a"), assistant(call("call_0")), returns(returned("call_0")))

    _, reply = streamed(START, an_end("end_turn"), STOP, request=request)

    assert reply.parts == ()


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([START, *a_block(0, {"type": "text", "text": "x"}), an_end("end_turn")], "cut off"),
        ([], "cut off"),
        ([START, an_end("end_turn"), STOP], "empty"),
        ([START, *a_block(0, {"type": "text", "text": "x"}), an_end("bored"), STOP], "bored"),
        ([START, *a_block(0, {"type": "server_tool_use"})], "server_tool_use"),
        ([START, *a_block(0, {"type": "text"}, {"type": "song_delta"})], "song_delta"),
        ([START, *a_block(0, {"type": "text"}, {"type": "input_json_delta"})], "input_json_delta"),
        ([{"type": "message_start"}], "message"),
    ],
)
def test_stream_that_cannot_be_a_reply_is_a_bad_reply(events: list[Any], says: str) -> None:
    with pytest.raises(ProviderBadReply, match=says):
        streamed(*events)
