from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from remanence.api.wire.inputs import RunRequest
from remanence.core.exchange import Image, Text
from remanence.errors import InvalidRequest, NotSupported

if TYPE_CHECKING:
    from remanence.core.claims import RunOrder

NOW = datetime(2026, 11, 22, tzinfo=UTC)
AGENT = "agent-75db1e9c-c728-479c-b12d-07ef33b74c5f"


def order(body: dict[str, Any], idempotency_key: str | None = None) -> RunOrder:
    numbers = itertools.count(1)
    return RunRequest.model_validate(body).to_order(
        agent_id=AGENT,
        idempotency_key=idempotency_key,
        now=NOW,
        new_id=lambda kind: f"{kind}-{next(numbers)}",
    )


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **fields}


def test_order_of_an_input_is_one_user_message() -> None:
    got = order({"input": "hi"})

    (message,) = got.messages
    assert (message.id, message.role, message.parts) == ("message-1", "user", (Text(text="hi"),))
    assert message.created_at == NOW
    assert message.tokens > 0
    assert message.seq is None
    assert (got.agent_id, got.conversation_id, got.background) == (AGENT, None, False)
    assert (got.idempotency_key, got.request_hash) == (None, None)


def test_order_keeps_roles_names_and_parts() -> None:
    got = order(
        {
            "messages": [
                {"role": "system", "content": "be kind"},
                said("look", name="bob", sender_id="s", otid="o", type="message"),
                {
                    "role": "user",
                    "content": [
                        {"text": "see"},
                        {"type": "image", "source": {"type": "url", "url": "https://x.org/y"}},
                        {"type": "image", "source": {"data": "AA", "media_type": "image/png"}},
                    ],
                },
            ]
        }
    )

    assert [message.role for message in got.messages] == ["system", "user", "user"]
    assert (got.messages[1].name, got.messages[1].sender_id, got.messages[1].otid) == (
        "bob",
        "s",
        "o",
    )
    assert got.messages[2].parts == (
        Text(text="see"),
        Image(url="https://x.org/y"),
        Image(data="AA", media_type="image/png"),
    )


def test_order_carries_the_options_of_the_run() -> None:
    got = order(
        {
            "input": "hi",
            "max_steps": 3,
            "override_model": "a/b",
            "system": "be short",
            "use_assistant_message": False,
            "include_return_message_types": ["assistant_message"],
        }
    )

    assert got.options.max_steps == 3
    assert got.options.override_model == "a/b"
    assert got.options.override_system == "be short"
    assert got.options.use_assistant_message is False
    assert got.options.include_return_message_types == ("assistant_message",)
    assert order({"input": "hi"}).options.max_steps == 50


def test_a_key_is_the_header_or_the_otids() -> None:
    by_otid = order({"messages": [said("hi", otid="o-1")]})
    by_both = order({"messages": [said("hi", otid="o-1")]}, "key")
    other = order({"messages": [said("hi", otid="o-2")]})

    assert by_both.idempotency_key == "key"
    assert by_otid.idempotency_key
    assert by_otid.idempotency_key != other.idempotency_key


def test_the_hash_tells_what_is_said_and_how_it_runs_but_not_how_it_is_sent() -> None:
    def hashed(**body: Any) -> str | None:
        return order({"input": "hi"} | body, "key").request_hash

    same = hashed()
    assert same is not None
    assert hashed(streaming=True, stream_tokens=True, include_pings=False) == same
    assert order({"messages": [said("hi")]}, "key").request_hash == same
    assert hashed(input="ho") != same
    assert hashed(max_steps=2) != same
    assert hashed(override_model="a/b") != same


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": [said("x")], "input": "x"},
        {"messages": []},
        {"input": ""},
        {"input": " \n"},
        {"input": []},
        {"input": [{"text": " "}]},
        {"messages": [{"role": "assistant", "content": [{"source": {"url": "https://x.org"}}]}]},
    ],
)
def test_nothing_said_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        order(body)


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"type": "approval", "approvals": []}]},
        {"messages": [{"type": "tool_return", "tool_returns": []}]},
        {"input": "x", "client_tools": [{"name": "mine"}]},
        {"input": "x", "background": True},
    ],
)
def test_what_is_not_served_is_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(NotSupported):
        order(body)


def test_options_of_a_stream_need_a_stream() -> None:
    for body in ({"stream_tokens": True}, {"background": True}, {"include_pings": False}):
        request = RunRequest.model_validate({"input": "x"} | body)
        with pytest.raises(InvalidRequest, match="streaming"):
            request.check_streaming()
        RunRequest.model_validate({"input": "x", "streaming": True} | body).check_streaming()


def test_view_follows_the_request() -> None:
    plain = RunRequest.model_validate({"input": "x"}).view()
    other = RunRequest.model_validate(
        {
            "input": "x",
            "assistant_message_tool_name": "talk",
            "assistant_message_tool_kwarg": "words",
            "include_return_message_types": ["assistant_message"],
        }
    ).view()

    assert plain.speech.is_spoken("send_message")
    assert plain.shows("reasoning_message")
    assert other.speech.said("talk", '{"words": "hi"}') == "hi"
    assert not other.shows("reasoning_message")
