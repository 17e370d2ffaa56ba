"""Secrets of a server of one's own and of the command line, looked for in all that comes out.

One server is used, wrongly too: callers nobody knows, a provider that repeats the key it refuses, a
tool that says its agent's secret aloud, a callback that is signed. The commands are given databases
and servers that are not there. Then logs, answers, processes, callbacks and the database are
searched.
"""

from __future__ import annotations

import base64
import json
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from support.canaries import everything_stored, found_in, watched_processes, with_quoted
from support.process import Server, free_port, run_cli, serving
from support.receiver import receiving
from support.wires import Failure, OpenAIServer, a_reply

from remanence.core.exchange import ToolCall
from remanence.dispatch.callback import SIGNATURE

if TYPE_CHECKING:
    from pathlib import Path

    from support.pg import Database
    from support.receiver import Receiver

API_KEY = "canary-of-the-server"
PROVIDER_KEY = "sk-canary-of-a-provider"
SEALING_KEY = base64.b64encode(b"a canary that seals for a server").decode()
CALLBACK_SECRET = "canary-that-signs-callbacks"  # noqa: S105
TOOL_SECRET = "canary-of-a-tool"  # noqa: S105
PASSWORD = "canary:of/a@database"  # noqa: S105
WRONG_KEY = "canary-of-a-stranger"
PLANTED = {API_KEY, PROVIDER_KEY, SEALING_KEY, CALLBACK_SECRET, TOOL_SECRET, PASSWORD, WRONG_KEY}
WAIT_S = 30.0

LOUD_TOOL = '''
def speak() -> str:
    """Say it."""
    import os, sys
    print(os.environ["TOKEN"])
    print(os.environ["TOKEN"], file=sys.stderr)
    raise ValueError(os.environ["TOKEN"])
'''


def test_no_secret_comes_out_of_a_server_of_ones_own(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with OpenAIServer() as provider, receiving() as receiver:
        variables = {
            "REMANENCE_PG_URI": database.app_uri,
            "REMANENCE_API_KEY": API_KEY,
            "REMANENCE_SECRETS_KEY": SEALING_KEY,
            "REMANENCE_CALLBACK_SECRET": CALLBACK_SECRET,
            "REMANENCE_CALLBACK_PRIVATE": 1,
            "REMANENCE_DEFAULT_MODEL": "openai/loopback",
            "OPENAI_API_KEY": PROVIDER_KEY,
            "OPENAI_BASE_URL": provider.base_url,
        }
        with watched_processes() as processes, serving("serve", log, **variables) as server:
            emitted = {"answers": used(server, provider, receiver)}
        (callback,) = receiver.received
        keys = {request.headers.get("authorization") for request in provider.received}
        emitted["the callback"] = str((callback.headers, callback.data))
        emitted["what the provider was told"] = str([each.body for each in provider.received])
    emitted["the log"], emitted["processes"] = log.read_text(), "\n".join(processes)
    emitted["the database"] = everything_stored(database.admin_uri)

    assert all(emitted.values()), "each was there to be searched"
    assert keys == {f"Bearer {PROVIDER_KEY}"}
    assert SIGNATURE.lower() in callback.headers, "the secret was in use"
    assert "ValueError: [secret TOKEN]" in emitted["the database"], "the tool said it"
    assert "remanence serve" in emitted["processes"]
    password = str(urlsplit(database.app_uri).password)
    assert found_in(emitted, with_quoted(PLANTED | {password})) == set()


def used(server: Server, provider: OpenAIServer, receiver: Receiver) -> str:
    """What callers were answered."""
    tool = ask(server, "POST", "/v1/tools/", {"source_code": LOUD_TOOL})
    made = {"name": "loud", "tool_ids": [tool["id"]], "secrets": {"TOKEN": TOOL_SECRET}}
    agent = ask(server, "POST", "/v1/agents/", made)
    path = f"/v1/agents/{agent['id']}"
    said = {"messages": [{"role": "user", "content": "Speak"}], "streaming": False}
    call = ToolCall(tool_call_id="call_1", name="speak", arguments="{}")
    provider.answers += [a_reply(call), a_reply("Done.")]
    answers = [tool, agent, ask(server, "POST", f"{path}/messages", said)]
    provider.answers += [Failure("401", quotes_key=True), Failure("400", quotes_key=True)]
    answers += [ask(server, "POST", f"{path}/messages", said) for _ in range(2)]
    told = {"messages": said["messages"], "callback_url": receiver.url}
    answers.append(ask(server, "POST", f"{path}/messages/async", told))
    answers.append(ask(server, "GET", f"{path}?include=agent.secrets"))
    answers.append(ask(server, "GET", "/v1/agents/", key=WRONG_KEY))
    give_up = time.monotonic() + WAIT_S
    while not receiver.received:
        assert time.monotonic() < give_up, "nobody was told"
        time.sleep(0.05)
    return str(answers)


def ask(server: Server, method: str, path: str, body: Any = None, *, key: str = API_KEY) -> Any:
    """The answer's JSON, whatever its status."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("doctor", "--json"),
        ("migrate",),
        ("serve",),
        ("smoke", "http://127.0.0.1:9"),
        ("cost",),
    ],
)
def test_no_secret_comes_out_of_a_command_whose_database_is_away(
    arguments: tuple[str, ...],
) -> None:
    (quoted,) = with_quoted({PASSWORD}) - {PASSWORD}

    done = run_cli(
        *arguments,
        PORT=free_port(),
        REMANENCE_PG_URI=f"postgresql://app:{quoted}@127.0.0.1:9/postgres",
        REMANENCE_API_KEY=API_KEY,
        REMANENCE_SECRETS_KEY=SEALING_KEY,
        REMANENCE_CALLBACK_SECRET=CALLBACK_SECRET,
        OPENAI_API_KEY=PROVIDER_KEY,
    )

    emitted = {"output": done.stdout, "errors": done.stderr}
    assert (done.returncode == 0) is (arguments == ("cost",)), emitted
    assert done.stdout + done.stderr
    assert found_in(emitted, with_quoted(PLANTED)) == set()


@pytest.mark.parametrize(
    "url", ["postgresql://app:{}@[bad/x", "postgresql://app:{}@h:port/x", "{}"]
)
def test_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    done = run_cli("doctor", REMANENCE_PG_URI=url.format(WRONG_KEY))

    assert done.returncode != 0
    assert done.stdout + done.stderr
    assert WRONG_KEY not in done.stdout + done.stderr
