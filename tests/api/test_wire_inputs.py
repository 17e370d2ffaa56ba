from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from remanence.api.wire.answers import Requests
from remanence.api.wire.callbacks import check_reachable
from remanence.api.wire.inputs import AsyncRequest, RunRequest
from remanence.core.exchange import Approval, Image, Text, ToolCall, ToolReturn
from remanence.core.types import Message
from remanence.errors import InvalidRequest, NotSupported

if TYPE_CHECKING:
    from remanence.core.claims import RunOrder

NOW = datetime(2026, 11, 22, tzinfo=UTC)
AGENT = "agent-75db1e9c-c728-479c-b12d-07ef33b74c5f"
REQUEST = Message(
    id="message-1",
    role="approval",
    parts=(
        ToolCall(tool_call_id="a", name="look", arguments="{}"),
        ToolCall(tool_call_id="c", name="pay", arguments="{}", waits=True),
    ),
    created_at=NOW,
)


def order(
    body: dict[str, Any],
    idempotency_key: str | None = None,
    requests: Requests | None = None,
) -> RunOrder:
    numbers = itertools.count(1)
    return RunRequest.model_validate(body).to_order(
        agent_id=AGENT,
        idempotency_key=idempotency_key,
        now=NOW,
        new_id=lambda kind: f"{kind}-{next(numbers)}",
        requests=requests,
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
                        {"type": "image", "source": {"data": "AAAA", "media_type": "image/png"}},
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
        Image(data="AAAA", media_type="image/png"),
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


def answering(*answers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": [{"type": "approval", "approvals": list(answers), **fields}]}


def test_order_of_an_approval_is_one_message_with_every_answer() -> None:
    got = order(
        answering(
            {"type": "approval", "tool_call_id": "a", "approve": True},
            {"tool_call_id": "b", "approve": False, "reason": "no"},
            {"type": "tool", "tool_call_id": "c", "status": "error", "tool_return": "x"},
            otid="o",
        )
    )

    (message,) = got.messages
    assert (message.role, message.otid) == ("approval", "o")
    assert message.parts == (
        Approval(tool_call_id="a", approve=True),
        Approval(tool_call_id="b", approve=False, reason="no"),
        ToolReturn(tool_call_id="c", name="", text="x", status="error"),
    )
    assert got.answers == ("a", "b", "c")


def test_order_of_tool_returns_names_the_tools_of_the_request() -> None:
    sent = {
        "type": "tool_return",
        "tool_returns": [
            {
                "tool_call_id": "c",
                "status": "success",
                "tool_return": [{"type": "text", "text": "one"}, {"text": "two"}],
                "stdout": ["out"],
                "stderr": None,
            }
        ],
    }

    got = order({"messages": [sent]}, requests=Requests(pending=REQUEST, named=REQUEST))

    assert got.messages[0].parts == (
        ToolReturn(tool_call_id="c", name="pay", text="one\ntwo", stdout=("out",)),
    )


@pytest.mark.parametrize(
    ("fields", "requests"),
    [
        ({"approve": False, "reason": "no"}, Requests(pending=REQUEST)),
        (
            {"approve": False, "reason": "no", "approval_request_id": REQUEST.id},
            Requests(named=REQUEST),
        ),
    ],
)
def test_order_of_an_approval_in_its_old_form_answers_every_call_that_waits(
    fields: dict[str, Any], requests: Requests
) -> None:
    got = order({"messages": [{"type": "approval", **fields}]}, requests=requests)

    assert got.messages[0].parts == (Approval(tool_call_id="c", approve=False, reason="no"),)


def test_an_answer_is_one_request_with_the_one_it_answers() -> None:
    sent = answering({"tool_call_id": "c", "approve": True})

    now = order(sent, requests=Requests(pending=REQUEST, named=REQUEST))
    later = order(sent, requests=Requests(named=REQUEST))

    assert now.idempotency_key
    assert (now.idempotency_key, now.request_hash) == (later.idempotency_key, later.request_hash)
    assert order(sent).idempotency_key is None


@pytest.mark.parametrize(
    "sent",
    [
        [{"type": "approval", "approvals": []}],
        [{"type": "approval"}],
        [{"type": "approval", "approve": True}],
        [{"type": "approval", "approve": True, "approval_request_id": "message-9"}],
        [{"type": "tool_return", "tool_returns": []}],
        [{"type": "approval", "approvals": [{"tool_call_id": "c", "approve": True}] * 2}],
        [{"type": "approval", "approvals": [{"tool_call_id": "c", "approve": True}]}, said("x")],
    ],
)
def test_answer_to_nothing_to_something_twice_or_beside_a_message_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidRequest):
        order({"messages": sent})


def test_tools_of_the_caller_are_options_of_the_run() -> None:
    got = order(
        {
            "input": "x",
            "client_tools": [
                {"name": "plain"},
                {
                    "name": "full",
                    "description": "d",
                    "parameters": {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                },
            ],
        }
    )

    plain, full = got.options.client_tools
    assert (plain.name, plain.description, plain.tool_type) == ("plain", "", "client")
    assert plain.parameters == {"type": "object", "properties": {}}
    assert full.parameters["required"] == ["a"]
    assert full.parameters["type"] == "object"


@pytest.mark.parametrize(
    "tools",
    [[{"name": "a"}, {"name": "a"}], [{"name": "a", "parameters": {"type": "string"}}]],
)
def test_tools_of_the_caller_that_no_model_could_call_are_refused(tools: Any) -> None:
    with pytest.raises(InvalidRequest, match="client_tools"):
        order({"input": "x", "client_tools": tools})


def test_image_that_a_tool_returned_is_refused_by_name() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://x.org/y"}}
    returned = {"type": "tool", "tool_call_id": "c", "tool_return": [image]}

    with pytest.raises(NotSupported, match="images"):
        order(answering(returned))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.org",
        "https://",
        "x.org/path",
        "https://me:secret@x.org",
        "https://x.org:port",
        "https://x.org/a b",
        "https://" + "x" * 3000,
        "https://x.org/\u00e9",
        "https://" + "x" * 64 + ".org",
        "https://" + "x." * 127 + "org",
        "https://x..org",
        "https://.x.org",
        "https://-x.org",
        "https://x!.org",
        "http://127.1/x",
        "http://2130706433/x",
        "http://0x7f.0.0.1/x",
        "http://0x7f000001/x",
    ],
)
def test_callback_that_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="callback_url"):
        AsyncRequest.model_validate({"input": "x", "callback_url": url})


@pytest.mark.parametrize("host", ["x.org", "x.org.", "my_container", "1.x.org", "8.8.8.8", "[::1]"])
def test_callback_to_a_host_that_can_be_looked_up_is_taken(host: str) -> None:
    url = f"https://{host}:8443/x"

    assert AsyncRequest.model_validate({"input": "x", "callback_url": url}).callback_url == url


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
    ],
)
def test_callback_to_a_private_address_is_refused_at_once(host: str) -> None:
    with pytest.raises(InvalidRequest, match="private"):
        check_reachable(f"http://{host}:8080/x")
    check_reachable("https://example.org/x")


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
