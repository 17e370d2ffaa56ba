"""What every request passes: key, size, text that can be stored, both spellings of a path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import AuthenticationError
from support.server import serving

from remanence.api.auth import authenticate
from remanence.api.gate import MAX_BODY_BYTES, MAX_JSON_DEPTH, check_json
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.errors import InvalidRequest, NotAuthenticated

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database
    from support.server import Server

KEY = "a-key-of-a-test"


@pytest.fixture(scope="module")
def locked(database: Database) -> Generator[Server]:
    """A server that wants a key."""
    with serving(database, api_key=KEY) as running:
        yield running


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ([(b"authorization", b"Bearer " + KEY.encode())], True),
        ([(b"Authorization", b"bearer " + KEY.encode())], True),
        ([(b"x-bare-password", b"password " + KEY.encode())], True),
        ([], False),
        ([(b"authorization", b"Bearer wrong")], False),
        ([(b"authorization", KEY.encode())], False),
        ([(b"authorization", b"password " + KEY.encode())], False),
        ([(b"x-bare-password", b"Bearer " + KEY.encode())], False),
        ([(b"authorization", b"Bearer ")], False),
        ([(b"authorization", b"Bearer \xff\xfe")], False),
    ],
)
def test_authenticate_takes_the_key_in_both_forms(
    headers: list[tuple[bytes, bytes]], is_let_in: bool
) -> None:
    if is_let_in:
        assert authenticate(headers, KEY).org_id == DEFAULT_ORG_ID
    else:
        with pytest.raises(NotAuthenticated):
            authenticate(headers, KEY)


def test_authenticate_without_a_configured_key_lets_everybody_in() -> None:
    assert authenticate([], None).org_id == DEFAULT_ORG_ID


def test_server_with_a_key_refuses_who_does_not_send_it(locked: Server) -> None:
    with pytest.raises(AuthenticationError, match="Unauthorized"):
        locked.client().agents.list()

    answer = httpx.get(f"{locked.base_url}/v1/agents/")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
    unknown_path = httpx.get(f"{locked.base_url}/v1/nothing")
    assert unknown_path.status_code == 401


def test_server_with_a_key_lets_in_who_sends_it(locked: Server) -> None:
    assert locked.client(api_key=KEY).agents.list(name="nobody").items == []
    bare = httpx.get(f"{locked.base_url}/v1/tags/", headers={"X-BARE-PASSWORD": f"password {KEY}"})
    assert bare.status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/health/", "/v1/health", "/openapi.json", "/docs", "/docs/docs.js"]
)
def test_server_with_a_key_has_open_paths(locked: Server, path: str) -> None:
    # The document takes seconds to make on a busy machine.
    assert httpx.get(locked.base_url + path, timeout=60).status_code == 200


def test_body_of_an_unknown_caller_is_not_read(locked: Server) -> None:
    answer = httpx.post(f"{locked.base_url}/v1/agents/", content=b"{not json")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/v1/agents", "/v1/blocks", "/v1/tools", "/v1/tags", "/v1/health"]
)
def test_both_spellings_of_a_path_are_served_without_a_redirect(server: Server, path: str) -> None:
    answers = [httpx.get(server.base_url + spelling) for spelling in (path, f"{path}/")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


def test_post_to_the_other_spelling_is_served(server: Server) -> None:
    answer = httpx.post(f"{server.base_url}/v1/blocks", json={"label": "x", "value": ""})

    assert answer.status_code == 200
    assert answer.json()["id"].startswith("block-")


def test_body_over_the_limit_is_413(server: Server) -> None:
    answer = httpx.post(
        f"{server.base_url}/v1/blocks/",
        json={"label": "x", "value": "x" * MAX_BODY_BYTES},
        timeout=30,
    )

    assert answer.status_code == 413
    assert f"may be at most {MAX_BODY_BYTES} bytes" in answer.json()["detail"]


def test_body_over_the_limit_is_413_when_its_length_is_not_declared(server: Server) -> None:
    def chunks() -> Generator[bytes]:
        for _ in range(11):
            yield b"x" * 1024 * 1024

    answer = httpx.post(f"{server.base_url}/v1/blocks/", content=chunks(), timeout=30)

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a\0b", "NUL"),
        ("\ud83d", "surrogate"),
    ],
)
def test_text_that_cannot_be_stored_is_422(server: Server, value: str, says: str) -> None:
    body = json.dumps({"label": "x", "value": value})

    answer = httpx.post(
        f"{server.base_url}/v1/blocks/",
        content=body,
        headers={"content-type": "application/json"},
    )

    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_escaped_text_that_can_be_stored_is_stored(server: Server) -> None:
    value = "\\u0000 is how NUL is written, and 😀 is one character"
    body = json.dumps({"label": "x", "value": value})  # with the emoji as two escapes

    answer = httpx.post(
        f"{server.base_url}/v1/blocks/",
        content=body,
        headers={"content-type": "application/json"},
    )

    assert answer.json()["value"] == value


@pytest.mark.parametrize("path", ["/v1/agents/%00", "/v1/agents/?name=%00"])
def test_nul_in_an_address_is_422(server: Server, path: str) -> None:
    answer = httpx.get(server.base_url + path)

    assert answer.status_code == 422
    assert "NUL" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        '{"metadata": {"x": NaN}}',
        '{"metadata": {"x": -Infinity}}',
        '{"metadata": {"x": 1e999}}',
        '{"metadata": {"x": -1E+999}}',
        '{"\\u0000": 1}',
        "[" * (MAX_JSON_DEPTH + 1) + "]" * (MAX_JSON_DEPTH + 1),
        '{"a":' * 200_000 + "1" + "}" * 200_000,
    ],
    ids=["nan", "infinity", "too large", "too small", "nul in a key", "deep", "very deep"],
)
def test_json_that_cannot_be_stored_is_refused(body: str) -> None:
    with pytest.raises(InvalidRequest):
        check_json(body.encode())


@pytest.mark.parametrize(
    "body",
    [
        '{"x": "NaN and Infinity, 1e999"}',
        '{"x": "\\ud83d\\ude00"}',
        '{"x": "\\\\u0000"}',
        json.dumps([{}] * 1000),
        "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH,
        "{broken",
    ],
)
def test_json_that_can_be_stored_passes(body: str) -> None:
    check_json(body.encode())


def test_deep_json_is_422_and_not_500(server: Server) -> None:
    deep: Any = []
    for _ in range(150):
        deep = [deep]

    answer = httpx.post(
        f"{server.base_url}/v1/blocks/",
        json={"label": "x", "value": "", "metadata": {"deep": deep}},
    )

    assert answer.status_code == 422
    assert "nested deeper" in answer.json()["detail"]
