"""The scripted model."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.conversations import (
    SEARCH,
    SEND,
    a_request,
    assistant,
    call,
    returned,
    returns,
    user,
)
from support.wires import a_reply

from remanence.core.exchange import (
    Delta,
    Reasoning,
    ReasoningDelta,
    Reply,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from remanence.errors import (
    InvalidRequest,
    ProviderBadReply,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderTooLong,
)
from remanence.llm.scripted import ERRORS, ScriptedLlm


def played(
    model: ScriptedLlm, request: Request, *, stream: bool = False, seconds: float = 10
) -> tuple[list[Delta], Reply]:
    *deltas, reply = model.call(request, stream=stream, deadline=time.monotonic() + seconds)
    assert isinstance(reply, Reply)
    return deltas, reply  # type: ignore[return-value]


def said(*turns: Any, **fields: Any) -> Reply:
    return played(ScriptedLlm(), a_request(*turns, **fields))[1]


def test_listed_steps_are_played_in_order_and_requests_are_kept() -> None:
    model = ScriptedLlm(
        [
            a_reply("one"),
            ProviderTooLong("two"),
            lambda request: a_reply(f"three to {request.handle}"),
        ]
    )
    request = a_request(handle="scripted/x")

    assert played(model, request)[1].text == "one"
    with pytest.raises(ProviderTooLong):
        played(model, request)
    assert played(model, request)[1].text == "three to scripted/x"
    assert played(model, request)[1].text == "done"
    assert model.requests == (request,) * 4


def test_script_goes_on_with_each_assistant_turn_and_ends_with_done() -> None:
    script = user('[[script: call archival_memory_search {"query": "tea"}]] [[then: say Found.]]')

    first = said(script)
    loop = (script, assistant(*first.parts), returns(returned(first.tool_calls[0].tool_call_id)))
    second = said(*loop)
    third = said(*loop, assistant("Found."))

    assert first.finish == "tool_calls"
    assert first.tool_calls[0].arguments == '{"query": "tea"}'
    assert [second.text, third.text] == ["Found.", "done"]


def test_last_human_text_decides_and_what_a_server_adds_does_not() -> None:
    old, script = user("[[script: say old]]"), user("[[script: say new]] [[then: say newer]]")
    note = user("[System message] A block has changed.")

    assert said(old, assistant("old"), script).text == "new"
    assert said(old, assistant("old"), script, note).text == "new"
    assert said(script, assistant("new"), note).text == "newer"


def test_conversation_without_a_script_is_echoed() -> None:
    assert said(user("Hello")).text == "echo: Hello"


def test_ids_of_calls_are_unique_and_the_same_every_time() -> None:
    turns = (
        user("a"),
        assistant(call("call_1")),
        returns(returned("call_1")),
        user("[[script: call f {}]] [[and: call f {}]]"),
    )

    first, second = said(*turns), said(*turns)

    ids = [c.tool_call_id for c in first.tool_calls]
    assert first == second
    assert len({*ids, "call_1"}) == 3


def test_fragments_add_up_to_the_reply() -> None:
    request = a_request(
        user('[[script: think I am not sure.]] [[and: say Two words]] [[and: call f {"a": 1}]]')
    )

    deltas, reply = played(ScriptedLlm(), request, stream=True)

    assert reply.parts[:2] == (Reasoning(text="I am not sure."), Text(text="Two words"))
    assert isinstance(reply.parts[2], ToolCall)
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == "Two words"
    assert sum(isinstance(d, TextDelta) for d in deltas) == 2
    assert "".join(d.text for d in deltas if isinstance(d, ReasoningDelta)) == "I am not sure."
    calls = [d for d in deltas if isinstance(d, ToolCallDelta)]
    assert (calls[0].name, calls[0].arguments) == ("f", "")
    assert "".join(c.arguments for c in calls) == '{"a": 1}'
    assert played(ScriptedLlm(), request, stream=False)[0] == []


def test_finish_and_usage_are_what_the_script_says() -> None:
    reply = said(user("[[script: say x]] [[and: finish length]] [[and: usage 100/20]]"))

    assert reply.finish == "length"
    assert reply.usage == Usage(prompt_tokens=100, completion_tokens=20)


def test_usage_is_estimated_otherwise_and_grows_with_the_conversation() -> None:
    short, long = said(user("x")).usage, said(user("x" * 4000)).usage

    assert short is not None
    assert long is not None
    assert long.prompt_tokens - short.prompt_tokens == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind != "cut"])
def test_every_error_can_be_asked_for(kind: str) -> None:
    with pytest.raises(ERRORS[kind], match=kind):
        said(user(f"[[script: error {kind}]]"))


def test_unknown_error_is_a_mistake_in_the_script() -> None:
    with pytest.raises(InvalidRequest, match="rate_limit"):
        said(user("[[script: error no_such_thing]]"))


def test_error_a_number_of_times_is_followed_by_the_rest_of_the_step() -> None:
    model = ScriptedLlm()
    request = a_request(user("[[script: error rate_limit times=2 retry_after=3]] [[and: say ok]]"))

    for _ in range(2):
        with pytest.raises(ProviderRateLimited) as caught:
            played(model, request)
        assert caught.value.retry_after_s == 3.0

    assert played(model, request)[1].text == "ok"


def test_cut_breaks_off_after_half_of_the_fragments() -> None:
    request = a_request(user("[[script: say one two three four]] [[and: error cut]]"))
    items = ScriptedLlm().call(request, stream=True, deadline=time.monotonic() + 1)

    assert [next(items), next(items)] == [TextDelta(text="one"), TextDelta(text=" two")]
    with pytest.raises(ProviderBadReply):
        next(items)


def test_delay_is_waited_for_up_to_the_deadline() -> None:
    pauses: list[float] = []
    model = ScriptedLlm(sleep=pauses.append, clock=lambda: 0.0)
    request = a_request(user("[[script: delay 3]] [[and: say late]]"))

    *_, reply = model.call(request, stream=False, deadline=10.0)
    with pytest.raises(ProviderTimeout):
        list(model.call(request, stream=False, deadline=2.0))

    assert isinstance(reply, Reply)
    assert reply.text == "late"
    assert pauses == [3.0, 2.0]


def test_text_is_said_through_send_message_where_a_call_is_demanded() -> None:
    script = user("[[script: think hm]] [[and: say Hello]]")

    forced = said(script, tools=(SEARCH, SEND), tool_choice="required")
    free = said(script, tools=(SEARCH, SEND))

    assert [type(part) for part in forced.parts] == [Reasoning, ToolCall]
    assert forced.tool_calls[0].arguments == '{"message": "Hello"}'
    assert forced.finish == "tool_calls"
    assert free.text == "Hello"


def test_model_tells_its_window() -> None:
    (info,) = ScriptedLlm(context_window=4096).model_infos()

    assert (info.handle, info.context_window) == ("scripted/scripted", 4096)
