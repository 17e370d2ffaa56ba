"""Starts that are made ahead of requests: everything is loaded, and a snapshot can be restored."""

from __future__ import annotations

import json
import random
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.lambda_world import API_KEY, MODEL, LambdaWorld, a_request, quiet_environment
from support.snapshot_runtime import snapshot_of
from support.template import function_for, of_type
from support.wires import a_reply
from support.world import an_agent, value

from remanence.aws import ahead
from remanence.engine.watch import log_step

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.bundle import Bundle
    from support.pg import Database

    from remanence.aws.observe import Message, Receive, Send

NEW_KEY = "open-barley"


@pytest.mark.parametrize(
    ("function", "how"),
    [("api", "snap-start"), ("chat", "snap-start"), ("step", "provisioned-concurrency")],
)
def test_start_ahead_of_requests_loads_the_packages_of_its_providers(
    bundle: Bundle, function: str, how: str
) -> None:
    probe = "import json, sys, app; print(json.dumps(sorted(sys.modules)))"
    environment = quiet_environment() | bundle.environment(function)
    environment |= {
        "AWS_LAMBDA_INITIALIZATION_TYPE": how,
        "OPENAI_API_KEY": "sk-unused",
        "REMANENCE_PG_URI": "postgresql://nobody@127.0.0.1:9/none",
    }
    environment["PYTHONPATH"] += f":{bundle.runtime}"
    done = subprocess.run(
        [str(bundle.python), "-c", probe],
        env=environment,
        cwd=bundle.code(function),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stdout.splitlines()[-1]))

    assert {"openai", "boto3"} <= modules
    assert "anthropic" not in modules, "there is no key for it"
    assert ("snapshot_restore_py" in modules) is (function == "api")


@pytest.fixture
def lambda_world(
    bundle: Bundle, fresh_database: Database, tmp_path: Path
) -> Generator[LambdaWorld]:
    """As for other tests, with a database that nobody else is connected to."""
    with LambdaWorld.started(bundle, fresh_database, tmp_path) as started:
        yield started


def test_restored_function_knows_the_secrets_of_now(lambda_world: LambdaWorld) -> None:
    aws = lambda_world.aws
    environment = lambda_world.environment() | aws.environment_of_snapshot()
    log = lambda_world.scratch / "api.log"

    with snapshot_of(lambda_world.bundle, "api", environment, log) as api:
        api.wait_for_snapshot()
        asked_before, connections_before = aws.requests, connections(lambda_world)
        aws.parameters["/r/api-key"] = NEW_KEY
        api.restore()
        old = api.invoke(a_request("GET", "/v1/agents/", key=API_KEY))
        new = api.invoke(a_request("GET", "/v1/agents/", key=NEW_KEY))

    assert (asked_before, connections_before) == (1, 0)
    assert (old["statusCode"], new["statusCode"]) == (401, 200)
    assert aws.requests == 2, "once for the snapshot, once for what was made of it"
    assert "restored from a snapshot" in log.read_text()


def test_chat_closes_its_connection_before_a_snapshot_and_opens_one_after(
    lambda_world: LambdaWorld,
) -> None:
    agent_id = an_agent(lambda_world.database.admin_uri, model=MODEL)
    lambda_world.provider.answers += [a_reply("Hello."), a_reply("Hello again.")]
    asked = {"messages": [{"role": "user", "content": "Hello"}], "streaming": False}
    path = f"/v1/agents/{agent_id}/messages"

    with lambda_world.chat(**lambda_world.aws.environment_of_snapshot()) as chat:
        first, _ = chat.post(path, asked)
        held = connections(lambda_world)
        before, _ = chat.post(ahead.BEFORE_PATH, {})
        kept = connections(lambda_world)
        requests = lambda_world.aws.requests
        after, _ = chat.post(ahead.AFTER_PATH, {})
        again, _ = chat.post(path, asked)

    assert (first, before, after, again) == (200, 204, 204, 200)
    assert (held, kept) == (1, 0)
    assert lambda_world.aws.requests == requests + 1


def test_nobody_but_the_adapter_reaches_the_paths_of_a_snapshot() -> None:
    async def app(_scope: Message, _receive: Receive, _send: Send) -> None:
        raise AssertionError

    assert ahead.start_ahead_asgi(app, log_step) is app, "without SnapStart there are none"
    assert function_for("POST", ahead.BEFORE_PATH) == "ApiFunction"
    assert function_for("POST", ahead.AFTER_PATH) == "ApiFunction"


def test_adapter_is_told_the_paths_that_are_served() -> None:
    variables = of_type("AWS::Lambda::Function")["ChatFunction"]["Environment"]["Variables"]

    assert variables["AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH"] == ahead.BEFORE_PATH
    assert variables["AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH"] == ahead.AFTER_PATH


def test_two_environments_of_one_snapshot_do_not_throw_the_same_dice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ahead.wiring, "lambda_restored", lambda _watch: None)
    state = random.getstate()

    thrown = set()
    for _ in range(2):
        random.setstate(state)
        ahead.take_up(log_step)
        thrown.add(random.random())  # noqa: S311  what it seeds

    assert len(thrown) == 2


def connections(lambda_world: LambdaWorld) -> int:
    """How many the functions hold to the database."""
    query = """select count(*) from pg_stat_activity
        where application_name = 'remanence' and datname = current_database()"""
    found: int = value(lambda_world.database.admin_uri, query)
    return found
