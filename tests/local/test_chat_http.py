from __future__ import annotations

import pytest
from support.letta_server import letta_server

from remanence.local.chat_http import (
    ChatServer,
    ServerRefused,
    ServerUnreachable,
    number_at,
    read_events,
    text_at,
)


def test_events_with_comments_names_and_crlf_give_their_objects() -> None:
    lines = [
        b": keepalive\n",
        b'data: {"a": 1}\r\n',
        b"\r\n",
        b"event: error\n",
        b'data: {"b":\n',
        b'data: "\xc3\xa9"}\n',
        b"\n",
        b"data: [DONE]\n",
        b"\n",
        b'data: {"late": 1}\n',
        b"\n",
    ]

    assert list(read_events(lines)) == [{"a": 1}, {"b": "é"}]


@pytest.mark.parametrize("data", [b"data: nonsense\n", b"data: [1]\n"])
def test_event_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ServerRefused, match="not a JSON object"):
        list(read_events([data, b"\n"]))


def test_request_sends_key_query_and_body() -> None:
    with letta_server() as world:
        agent_id = world.add_agent("mira")
        server = ChatServer(f"{world.url}/", "secret")

        server.get("/v1/agents/", name="mira & co", limit=1)
        server.send("PATCH", f"/v1/agents/{agent_id}/reset-messages", {"a": "ü"})

    listed, reset = world.asked
    assert (listed.path, listed.query) == ("/v1/agents/", {"name": "mira & co", "limit": "1"})
    assert (reset.method, reset.body) == ("PATCH", {"a": "ü"})
    assert {listed.authorization, reset.authorization} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": "no such agent"}, "no such agent"),
        ({"detail": {"code": "PENDING_APPROVAL", "message": "answer first"}}, "answer first"),
        ({"error": {"type": "llm_error", "message": "model is down"}}, "model is down"),
        (b"<html>bad gateway</html>", "<html>bad gateway</html>"),
        (b"", "HTTP 502 Bad Gateway"),
    ],
)
def test_refusal_says_what_the_server_said(body: object, said: str) -> None:
    with letta_server() as world:
        world.refuse_with = (502, body)

        with pytest.raises(ServerRefused) as refused:
            ChatServer(world.url, None).get("/v1/agents/")

    assert (refused.value.status, refused.value.message) == (502, said)


def test_server_that_is_gone_is_unreachable() -> None:
    with letta_server() as world:
        url = world.url

    with pytest.raises(ServerUnreachable):
        ChatServer(url, None).get("/v1/agents/")


def test_values_at_keys_of_other_shapes_are_empty() -> None:
    assert text_at({"a": {"b": "c"}}, "a", "b") == "c"
    assert text_at({"a": [1]}, "a", "b") == ""
    assert text_at(None, "a") == ""
    assert number_at({"a": 2.0}, "a") == 2
    assert number_at({"a": "2"}, "a") == 0
