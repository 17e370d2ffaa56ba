"""Secrets are planted wherever a deployment has some, and looked for in all that comes out of it.

The built functions are used, wrongly too: with callers nobody knows, a provider that repeats the
key it refuses, a database that is away. Then everything is searched: logs, answers, trace segments,
lists of processes, doorbells, what CloudFormation and the provider were told, and the database.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from support.canaries import command_lines, everything_stored, found_in, with_quoted
from support.lambda_world import API_KEY, PROVIDER_KEY, a_bell, a_request, an_event
from support.loopback_aws import SECRET, TOKEN
from support.wires import Failure, a_reply

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.lambda_world import LambdaWorld

SEALING_KEY = base64.b64encode(b"a canary that seals 32 bytes of!").decode()
AGENT_SECRET = "canary-of-an-agent"  # noqa: S105
OWNER_PASSWORD = "canary-of-the-owner"  # noqa: S105
OTHER_KEY = "sk-ant-canary"
WRONG_KEY = "canary-of-a-caller"


def test_no_secret_comes_out_of_the_functions(lambda_world: LambdaWorld) -> None:
    aws, provider = lambda_world.aws, lambda_world.provider
    aws.parameters["/r/secrets-key"] = SEALING_KEY
    aws.parameters["/r/provider-keys"] += f"ANTHROPIC_API_KEY={OTHER_KEY}\n"
    aws.parameters["/r/owner-pg-uri"] = f"postgresql://owner:{OWNER_PASSWORD}@127.0.0.1:9/postgres"

    with tracing() as (daemon, spans):
        emitted = use_everything(lambda_world, AWS_XRAY_DAEMON_ADDRESS=daemon)
    emitted |= {path.name: path.read_text() for path in lambda_world.scratch.glob("*.log")}
    emitted["spans"] = str(spans)
    emitted["doorbells"] = str(aws.messages)
    emitted["the stack's answers"] = str(aws.stack_answers)
    emitted["what the provider was told"] = str(provider.bodies)
    emitted["the database"] = everything_stored(lambda_world.database.admin_uri)

    assert set(emitted) >= {"api.log", "chat.log", "step.log", "migrate.log", "processes"}
    assert all(emitted.values()), "each was there to be searched"
    keys = {request.headers.get("authorization") for request in provider.received}
    assert keys == {f"Bearer {PROVIDER_KEY}"}, "the secrets were in use"
    assert found_in(emitted, canaries(lambda_world)) == set()


def canaries(lambda_world: LambdaWorld) -> set[str]:
    """Each secret, as it is and as a URI has it."""
    password = str(urlsplit(lambda_world.database.app_uri).password)
    planted = {password, API_KEY, PROVIDER_KEY, OTHER_KEY, SEALING_KEY, AGENT_SECRET}
    planted |= {OWNER_PASSWORD, WRONG_KEY, SECRET, TOKEN}
    return with_quoted(planted)


def use_everything(lambda_world: LambdaWorld, **variables: str) -> dict[str, str]:
    """What callers were answered, and the processes that ran meanwhile."""
    answers: list[Any] = []
    variables["REMANENCE_SECRETS_KEY_PARAMETER"] = "/r/secrets-key"
    with lambda_world.function("api", **variables) as api:
        made = api.invoke(
            a_request("POST", "/v1/agents/", {"name": "c", "secrets": {"KEY": AGENT_SECRET}})
        )
        agent_id = json.loads(made["body"])["id"]
        paths = (f"/v1/agents/{agent_id}?include=agent.secrets", "/v1/models/", "/v1/providers/")
        answers += [made, *(api.invoke(a_request("GET", path)) for path in paths)]
        answers.append(api.invoke(a_request("GET", "/v1/agents/", key=WRONG_KEY)))
        asked = {"messages": [{"role": "user", "content": "Hello"}]}
        path = f"/v1/agents/{agent_id}/messages/async"
        answers.append(api.invoke(a_request("POST", path, asked)))
        # A conversation beside the one in which that message waits.
        path = f"/v1/conversations/?agent_id={agent_id}"
        beside = json.loads(api.invoke(a_request("POST", path, {}))["body"])["id"]
        processes = command_lines()
    (bell,) = lambda_world.aws.messages
    answers += _failing_messages(lambda_world, beside)
    lambda_world.provider.answers.append(a_reply("Hello."))
    with lambda_world.function("step", **variables) as step:
        answers += [step.invoke(a_bell(bell["MessageBody"])), step.invoke(a_bell(WRONG_KEY))]
        processes += command_lines()
    answers.append(_migrated(lambda_world))
    return {"answers": json.dumps(answers), "processes": processes}


def _failing_messages(lambda_world: LambdaWorld, conversation_id: str) -> list[Any]:
    lambda_world.provider.answers += [
        Failure("401", quotes_key=True),
        Failure("400", quotes_key=True),
    ]
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    path = f"/v1/conversations/{conversation_id}/messages"
    with lambda_world.chat() as chat:
        return [chat.post(path, body | {"streaming": False}) for _ in range(2)]


def _migrated(lambda_world: LambdaWorld) -> Any:
    event = an_event("custom_resource", ResponseURL=f"{lambda_world.aws.url}/answer")
    changed = {"REMANENCE_PG_URI_PARAMETER": "/r/owner-pg-uri"}
    with lambda_world.function("migrate", **changed) as migrate:
        answer = migrate.invoke(event)
    assert answer["Status"] == "FAILED"
    return answer


@contextmanager
def tracing() -> Generator[tuple[str, list[bytes]]]:
    """The address of an X-Ray daemon, and what it is sent until the block ends."""
    spans: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{daemon.getsockname()[1]}"

        def listen() -> None:
            while datagram := daemon.recv(65_000):
                spans.append(datagram)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            yield address, spans
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", daemon.getsockname())
            listener.join()
