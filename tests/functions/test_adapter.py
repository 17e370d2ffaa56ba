"""Headers that only the Lambda Web Adapter may set, sent by a caller: in each setting there is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from letta_client import InternalServerError
from support.bundle import REPOSITORY
from support.lambda_world import quiet_environment
from support.server import serving
from support.twins import new_agent

from remanence.adapter import LAMBDA_CONTEXT, REQUEST_CONTEXT, believed, is_adapted

if TYPE_CHECKING:
    from support.pg import Database

FORGED = (REQUEST_CONTEXT.encode(), b'{"requestId": "forged"}')
TRUE = (REQUEST_CONTEXT.encode(), b'{"requestId": "true"}')
OTHER = (b"accept", b"*/*")
TWO_STEPS = (
    'go [[script: call memory_insert {"label": "human", "new_string": "a"}]] [[then: say done]]'
)

# One request through what logs it, in a process of its own: Powertools keeps state per process.
PROGRAM = """
import asyncio, sys
from remanence.aws.observe import observed_asgi

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(scope["headers"]).encode()})

async def send(message):
    print(message.get("body", b"").decode())

headers = eval(sys.argv[1])
scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
asyncio.run(observed_asgi(app, is_adapted=sys.argv[2] == "adapted")(scope, None, send))
"""


def test_behind_the_adapter_its_own_header_is_the_last_and_the_only_one() -> None:
    assert believed([FORGED, OTHER, TRUE], is_adapted=True) == [OTHER, TRUE]
    assert believed([OTHER, TRUE], is_adapted=True) == [OTHER, TRUE]


def test_elsewhere_these_headers_are_a_callers_and_dropped() -> None:
    lambda_context = (LAMBDA_CONTEXT.encode(), b'{"deadline": 1}')

    assert believed([FORGED, OTHER, OTHER, lambda_context], is_adapted=False) == [OTHER, OTHER]


@pytest.mark.parametrize(
    ("variables", "adapted"),
    [
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"}, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_EXEC_WRAPPER": ""}, False),
        ({"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap", "AWS_LWA_PORT": "8080"}, False),
        ({}, False),
    ],
)
def test_adapter_is_there_when_lambda_started_us_by_it(
    variables: dict[str, str], adapted: bool
) -> None:
    assert is_adapted(variables) is adapted


@pytest.mark.parametrize(
    ("setting", "logged", "passed_on"),
    [("adapted", "true", [OTHER, TRUE]), ("bare", None, [OTHER])],
)
def test_log_and_application_see_the_adapters_header_or_none(
    setting: str, logged: str | None, passed_on: list[Any]
) -> None:
    sent = [FORGED, OTHER, TRUE]

    line, seen = observed(sent, setting)

    assert line.get("correlation_id") == logged
    assert seen == str(passed_on)


def observed(headers: list[tuple[bytes, bytes]], setting: str) -> tuple[dict[str, Any], str]:
    """The log line of a request, and the headers the application saw."""
    environment = quiet_environment() | {
        "LAMBDA_TASK_ROOT": "/var/task",
        "POWERTOOLS_METRICS_NAMESPACE": "Remanence",
        "POWERTOOLS_SERVICE_NAME": "chat",
        "PYTHONPATH": str(REPOSITORY / "layers" / "core"),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, repr(headers), setting],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    (seen,) = [line for line in lines if line.startswith("[")]
    (logged,) = [
        line
        for line in (json.loads(line) for line in lines if line.startswith("{"))
        if line.get("message") == "answered"
    ]
    return logged, seen


def test_server_of_ones_own_does_not_let_a_caller_say_how_long_it_may_work(
    database: Database,
) -> None:
    long_ago = json.dumps({"deadline": int(time.time() * 1000) - 60_000})
    forged = {LAMBDA_CONTEXT: long_ago}

    with serving(database) as server, server.client() as client:
        agent = new_agent(client)
        answer = client.agents.messages.create(agent.id, input=TWO_STEPS, extra_headers=forged)
    with (
        serving(database, trusts_lambda_context=True) as server,
        server.client() as client,
        pytest.raises(InternalServerError),
    ):
        client.agents.messages.create(agent.id, input=TWO_STEPS, extra_headers=forged)

    assert answer.stop_reason.stop_reason == "end_turn"
