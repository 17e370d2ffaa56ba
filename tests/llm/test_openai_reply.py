"""The answers of OpenAI's chat completions, and of servers that nearly speak it, -> a Reply."""

from __future__ import annotations

from typing import Any

import pytest
from support.conversations import SEARCH, a_request, assistant, call, returned, returns, user

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
from remanence.llm.openai_reply import read_chunks, read_whole


def a_chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **extra: Any) -> Any:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": choices} | extra


def a_call(index: int | None, tool_call_id: str | None, name: str | None, arguments: str) -> Any:
    fragment: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        fragment["index"] = index
    if tool_call_id is not None:
        fragment["id"] = tool_call_id
    if name is not None:
        fragment["function"]["name"] = name
    return a_chunk({"tool_calls": [fragment]})


def streamed(*chunks: Any, request: Any = None) -> tuple[list[Delta], Reply]:
    *deltas, reply = read_chunks(chunks, request or a_request())
    assert isinstance(reply, Reply)
    return deltas, reply  # type: ignore[return-value]


def calls_of(*chunks: Any, request: Any = None) -> list[tuple[str, str, str]]:
    deltas, reply = streamed(*chunks, a_chunk({}, "tool_calls"), request=request)
    # What was streamed adds up to what the reply holds.
    told: dict[str, str] = {}
    for delta in deltas:
        assert isinstance(delta, ToolCallDelta)
        assert (delta.name is None) == (delta.tool_call_id in told)
        told[delta.tool_call_id] = told.get(delta.tool_call_id, "") + delta.arguments
    assert {c.tool_call_id: c.arguments for c in reply.tool_calls} == {
        k: v or "{}" for k, v in told.items()
    }
    return [(c.tool_call_id, c.name, c.arguments) for c in reply.tool_calls]


def test_stream_of_text_gives_deltas_and_the_whole_reply() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 12},
    }

    deltas, reply = streamed(
        a_chunk({"role": "assistant", "content": ""}),
        a_chunk({"content": "Hel"}),
        a_chunk({"content": "lo"}),
        a_chunk({}, "stop"),
        a_chunk(usage=usage),
    )

    assert deltas == [TextDelta(text="Hel"), TextDelta(text="lo")]
    assert reply == Reply(
        parts=(Text(text="Hello"),),
        finish="stop",
        usage=Usage(
            prompt_tokens=100,
            completion_tokens=20,
            cached_input_tokens=64,
            cache_write_tokens=8,
            reasoning_tokens=12,
        ),
        model="m",
    )


def test_stream_without_usage_has_none() -> None:
    _, reply = streamed(a_chunk({"content": "x"}), a_chunk({}, "stop", usage=None))

    assert reply.usage is None


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_of_compatible_servers_becomes_a_part_before_the_text(field: str) -> None:
    deltas, reply = streamed(
        a_chunk({field: "I "}),
        a_chunk({field: "think"}),
        a_chunk({"content": "so"}),
        a_chunk({}, "stop"),
    )

    assert deltas[0] == ReasoningDelta(text="I ")
    assert reply.parts == (Reasoning(text="I think"), Text(text="so"))


def test_reasoning_in_both_fields_is_read_once() -> None:
    _, reply = streamed(
        a_chunk({"reasoning": "hm", "reasoning_content": "hm"}), a_chunk({"content": "x"}, "stop")
    )

    assert reply.parts[0] == Reasoning(text="hm")


def test_refusal_is_what_the_model_says() -> None:
    _, reply = streamed(a_chunk({"refusal": "I will not."}), a_chunk({}, "stop"))

    assert reply.text == "I will not."


def test_numbered_call_fragments_are_put_together() -> None:
    found = calls_of(
        a_call(0, "call_a", "one", ""),
        a_call(0, None, None, '{"x":'),
        a_call(1, "call_b", "two", ""),
        a_call(1, None, None, '{"y": 2}'),
        a_call(0, None, None, " 1}"),
    )

    assert found == [("call_a", "one", '{"x": 1}'), ("call_b", "two", '{"y": 2}')]


def test_several_calls_in_one_chunk_are_all_read() -> None:
    fragments = [
        {"index": i, "id": f"call_{i}", "function": {"name": "f", "arguments": "{}"}}
        for i in range(3)
    ]

    assert len(calls_of(a_chunk({"tool_calls": fragments}))) == 3


def test_id_and_name_repeated_with_each_fragment_are_one_call() -> None:
    found = calls_of(a_call(0, "call_a", "one", '{"x"'), a_call(0, "call_a", "one", ": 1}"))

    assert found == [("call_a", "one", '{"x": 1}')]


def test_calls_that_all_have_number_zero_are_told_apart_by_id() -> None:
    found = calls_of(a_call(0, "call_a", "one", "{}"), a_call(0, "call_b", "one", "{}"))

    assert [c[0] for c in found] == ["call_a", "call_b"]


def test_calls_without_number_and_id_are_told_apart_by_name() -> None:
    found = calls_of(
        a_call(None, None, "one", "{}"),
        a_call(None, None, "one", '{"x"'),
        a_call(None, None, None, ": 1}"),
        a_call(None, None, "two", "{}"),
    )

    assert [c[1:] for c in found] == [("one", "{}"), ("one", '{"x": 1}'), ("two", "{}")]
    assert len({c[0] for c in found}) == 3


def test_missing_and_repeated_ids_are_replaced_and_stay_the_same_when_read_again() -> None:
    chunks = [a_call(0, "", "one", "{}"), a_call(1, "call_x", "one", "{}")]
    chunks += [a_call(2, "call_x", "one", "{}")]

    first, second = calls_of(*chunks), calls_of(*chunks)

    ids = [c[0] for c in first]
    assert first == second
    assert all(ids)
    assert len(set(ids)) == 3
    assert ids[1] == "call_x"


def test_id_that_the_conversation_already_has_is_replaced() -> None:
    request = a_request(user("a"), assistant(call("call_0")), returns(returned("call_0")))

    (found,) = calls_of(a_call(0, "call_0", SEARCH.name, "{}"), request=request)

    assert found[0] not in {"", "call_0"}


def test_call_without_arguments_has_an_empty_object() -> None:
    assert calls_of(a_call(0, "call_a", "now", ""))[0][2] == "{}"


def test_broken_arguments_are_kept_as_they_came() -> None:
    assert calls_of(a_call(0, "call_a", "one", '{"x": '))[0][2] == '{"x": '


def test_thought_signature_becomes_a_redacted_part_before_its_call() -> None:
    signed = a_call(0, "call_a", "one", "{}")
    extra = {"google": {"thought_signature": "sig"}}
    signed["choices"][0]["delta"]["tool_calls"][0]["extra_content"] = extra

    _, reply = streamed(signed, a_chunk({}, "stop"))

    assert reply.parts == (
        Reasoning(text="", redacted="gemini:sig"),
        ToolCall(tool_call_id="call_a", name="one", arguments="{}"),
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
        ("eos", "stop"),
    ],
)
def test_finish_reason_of_text_is_mapped(reason: str, finish: str) -> None:
    assert streamed(a_chunk({"content": "x"}, reason))[1].finish == finish


def test_finish_agrees_with_the_calls_when_the_server_says_stop() -> None:
    _, reply = streamed(a_call(0, "call_a", "one", "{}"), a_chunk({}, "stop"))

    assert reply.finish == "tool_calls"


@pytest.mark.parametrize(
    ("chunks", "says"),
    [
        ([a_chunk({"content": "x"})], "cut off"),
        ([], "cut off"),
        ([a_chunk({"content": "x"}, "no_idea")], "no_idea"),
        ([a_chunk({}, "stop")], "empty"),
        ([a_chunk({"content": [{"type": "video"}]}, "stop")], "video"),
        ([a_call(0, "call_a", "", "{}")], "no name"),
    ],
)
def test_stream_that_cannot_be_a_reply_is_a_bad_reply(chunks: list[Any], says: str) -> None:
    with pytest.raises(ProviderBadReply, match=says):
        streamed(*chunks)


def test_silence_after_tool_returns_ends_the_turn() -> None:
    request = a_request(user("a"), assistant(call("call_0")), returns(returned("call_0")))

    _, reply = streamed(a_chunk({"content": ""}, "stop"), request=request)

    assert reply.parts == ()
    assert reply.finish == "stop"


def test_nothing_but_spent_thought_is_a_reply_that_ran_out() -> None:
    _, reply = streamed(a_chunk({}, "length"))

    assert (reply.parts, reply.finish) == ((), "length")


def test_whole_answer_is_read_like_a_stream() -> None:
    message = {
        "role": "assistant",
        "content": "Look.",
        "reasoning_content": "hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
            {"id": "b", "type": "function", "function": {"name": "f", "arguments": {"x": "é"}}},
        ],
    }
    body: Any = {
        "model": "m",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 2,
            "prompt_cache_hit_tokens": 3,
            "prompt_tokens_details": None,
        },
    }

    reply = read_whole(body, a_request())

    assert reply == Reply(
        parts=(
            Reasoning(text="hm"),
            Text(text="Look."),
            ToolCall(tool_call_id="a", name="f", arguments='{"x": 1}'),
            ToolCall(tool_call_id="b", name="f", arguments='{"x": "é"}'),
        ),
        finish="tool_calls",
        usage=Usage(prompt_tokens=5, completion_tokens=2, cached_input_tokens=3),
        model="m",
    )


def test_content_in_parts_is_joined() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body: Any = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}

    assert read_whole(body, a_request()).text == "ab"


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{"finish_reason": "stop"}]}])
def test_whole_answer_without_a_message_is_a_bad_reply(body: Any) -> None:
    with pytest.raises(ProviderBadReply):
        read_whole(body, a_request())
