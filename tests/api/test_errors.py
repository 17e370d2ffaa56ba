"""Errors as HTTP answers: status, body, and whether the SDK may try again."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.testclient import TestClient
from support.server import Server, serving

from remanence import errors
from remanence.api.app import create_app
from remanence.api.errors import answer_to, sentence_of

if TYPE_CHECKING:
    from support.pg import Database


@dataclass(frozen=True, kw_only=True)
class Case:
    id: str
    error: errors.AppError
    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


NO_RETRY = {"x-should-retry": "false"}

CASES = [
    Case(
        id="not found",
        error=errors.NotFound("agent", "agent-1"),
        status=404,
        body={"detail": "agent 'agent-1' does not exist"},
    ),
    Case(
        id="invalid",
        error=errors.InvalidRequest("label: is wrong", field="label"),
        status=422,
        body={"detail": "label: is wrong"},
    ),
    Case(
        id="not authenticated",
        error=errors.NotAuthenticated("Unauthorized"),
        status=401,
        body={"detail": "Unauthorized"},
        headers={"www-authenticate": "Bearer"},
    ),
    Case(
        id="conflict",
        error=errors.Conflict("taken"),
        status=409,
        body={"detail": "taken"},
        headers=NO_RETRY,
    ),
    Case(
        id="busy",
        error=errors.AgentBusy("conv-1", "run-1", retry_after_s=2),
        status=409,
        body={
            "detail": "conversation 'conv-1' is busy with run 'run-1'; "
            "nothing of this request was stored, send it again later",
            "run_id": "run-1",
        },
        headers={"retry-after": "2"},
    ),
    Case(
        id="busy_without_a_run",
        error=errors.AgentBusy("conv-1"),
        status=409,
        body={
            "detail": "conversation 'conv-1' is busy with a compaction, or was written to "
            "meanwhile; nothing of this request was stored, send it again later",
        },
        headers={"retry-after": "1"},
    ),
    Case(
        id="limit",
        error=errors.LimitExceeded("the value", limit=1, actual=2, unit="characters"),
        status=422,
        body={"detail": "the value is 2 characters, and may be at most 1 characters"},
    ),
    Case(
        id="rate limit",
        error=errors.ProviderRateLimited("slow down", retry_after_s=1.2),
        status=429,
        body={"error": {"type": "llm_rate_limit", "message": "slow down", "detail": "slow down"}},
        headers={"retry-after": "2"} | NO_RETRY,
    ),
    Case(
        id="provider key",
        error=errors.ProviderRefusedKey("refused"),
        status=401,
        body={"error": {"type": "llm_authentication", "message": "refused", "detail": "refused"}},
    ),
    Case(
        id="provider timeout",
        error=errors.ProviderTimeout("late"),
        status=504,
        body={"error": {"type": "llm_timeout", "message": "late", "detail": "late"}},
        headers=NO_RETRY,
    ),
    Case(
        id="no database",
        error=errors.StoreUnavailable("no host db.internal"),
        status=503,
        body={"detail": "The database is not available now; try again later"},
    ),
    Case(
        id="not served",
        error=errors.NotSupported("templates are not served yet"),
        status=501,
        body={"detail": "templates are not served yet"},
        headers=NO_RETRY,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_error_has_its_status_body_and_advice(case: Case) -> None:
    answer = answer_to(case.error)

    assert answer.status_code == case.status
    assert json.loads(bytes(answer.body)) == case.body
    advice = {
        name: value
        for name, value in answer.headers.items()
        if name in {"retry-after", "x-should-retry", "www-authenticate"}
    }
    assert advice == case.headers


def test_validation_names_each_field_and_repeats_nothing() -> None:
    problems = [
        {"type": "missing", "loc": ("body", "label"), "msg": "Field required", "input": "s3cret"},
        {"type": "int_parsing", "loc": ("body", "a", 0, "b"), "msg": "Input should be a number"},
        {"type": "x", "loc": ("query", "limit"), "msg": "Too small"},
        {"type": "x", "loc": ("path", "agent_id"), "msg": "must look so"},
        {"type": "json_invalid", "loc": ("body", 7), "msg": "", "ctx": {"error": "no comma"}},
        {"type": "x", "loc": ("body", "y"), "msg": "z"},
        {"type": "x", "loc": ("body", "y"), "msg": "z"},
    ]

    assert sentence_of(problems) == (
        "label is required; a[0].b: input should be a number; limit in the query: too small; "
        "agent_id in the path: must look so; "
        "the body is not valid JSON: no comma at character 7; and 2 more"
    )


def test_unknown_path_and_method_have_the_shape_of_errors(server: Server) -> None:
    nowhere = httpx.get(f"{server.base_url}/v1/nowhere")
    not_so = httpx.put(f"{server.base_url}/v1/agents/")

    assert nowhere.status_code == 404
    assert nowhere.json() == {"detail": "GET /v1/nowhere is not served here: Not Found"}
    assert not_so.status_code == 405
    assert set(not_so.json()) == {"detail"}


@pytest.mark.parametrize(
    ("content", "content_type", "says"),
    [
        ("{broken", "application/json", "the body is not valid JSON"),
        ("[]", "application/json", "JSON object is required"),
        ("", "application/json", "JSON object is required"),
        ("a=b", "application/x-www-form-urlencoded", "content-type application/json"),
        ('{"value": ""}', "application/json", "label is required"),
        ('{"label": 5, "value": ""}', "application/json", "label: input should be a valid string"),
    ],
)
def test_bodies_that_are_none_are_422_in_a_sentence(
    server: Server, content: str, content_type: str, says: str
) -> None:
    answer = httpx.post(
        f"{server.base_url}/v1/blocks/", content=content, headers={"content-type": content_type}
    )

    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_fault_of_ours_is_500_and_logged_without_its_words(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(server.deps)

    @app.get("/v1/faulty")
    def fail() -> None:
        raise RuntimeError("what the user said")

    with TestClient(app) as client, caplog.at_level(logging.ERROR, "remanence.api"):
        answer = client.get("/v1/faulty")

    assert answer.status_code == 500
    assert answer.json() == {"detail": "An unknown error occurred"}
    assert answer.headers["x-should-retry"] == "false"
    assert "GET /v1/faulty: RuntimeError at " in caplog.text
    assert "what the user said" not in caplog.text


def test_server_without_a_database_is_503(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(replace(database, app_uri="postgresql://127.0.0.1:1/none")) as running:
        answer = httpx.get(f"{running.base_url}/v1/agents/", timeout=30)

    assert answer.status_code == 503
    assert "127.0.0.1" not in answer.text
    assert "x-should-retry" not in answer.headers
    assert "GET /v1/agents/: store_unavailable: cannot connect" in caplog.text
