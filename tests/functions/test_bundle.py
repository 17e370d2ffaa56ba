"""The artefact that would be deployed, driven as Lambda drives it.

Each function runs from the build directory under the real awslambdaric and AWS's own emulator of
the Runtime API, with nothing on its path but its folder, the two layers and that client.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.bundle import FUNCTIONS, size_mb
from support.lambda_emulator import TRACE_ID
from support.lambda_world import (
    API_KEY,
    MODEL,
    PAUSE_S,
    PROVIDER_KEY,
    REQUEST_ID,
    a_bell,
    a_request,
    an_event,
    quiet_environment,
)
from support.wires import a_reply
from support.world import World, an_agent, an_order, history, new_id, value

from remanence.core.exchange import ToolCall
from remanence.core.ids import DEFAULT_ORG_ID

if TYPE_CHECKING:
    from support.bundle import Bundle
    from support.lambda_world import LambdaWorld

# What AWS allows for a function and its layers together, unzipped.
LIMIT_MB = 250


def test_layers_hold_a_compiled_file_for_every_source_and_stay_small(bundle: Bundle) -> None:
    sources = [path for layer in bundle.layers for path in layer.rglob("*.py")]
    missing = [
        path
        for path in sources
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").exists()
    ]

    assert missing == []
    assert sum(size_mb(layer) for layer in bundle.layers) < LIMIT_MB / 2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_folder_holds_our_files_only(bundle: Bundle, function: str) -> None:
    files = {path.name for path in bundle.code(function).iterdir()} - {"__pycache__"}

    assert files == ({"app.py", "run.sh"} if function == "chat" else {"app.py"})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_loads_no_provider_sdk(bundle: Bundle, function: str) -> None:
    probe = "import json, sys, app; print(json.dumps(sorted(sys.modules)))"
    variables = {"REMANENCE_PG_URI": "postgresql://nobody@127.0.0.1:9/none"}
    environment = quiet_environment() | bundle.environment(function) | variables
    done = subprocess.run(
        [str(bundle.python), "-c", probe],
        env=environment,
        cwd=bundle.code(function),
        capture_output=True,
        text=True,
        check=True,
    )

    modules = set(json.loads(done.stdout.splitlines()[-1]))

    assert modules & {"openai", "anthropic", "numpy", "boto3"} == set()


def test_api_answers_requests_of_api_gateway(lambda_world: LambdaWorld) -> None:
    with lambda_world.function("api") as api:
        health = api.invoke(a_request("GET", "/v1/health/"))
        refused = api.invoke(a_request("GET", "/v1/agents/", key="wrong"))
        created = api.invoke(
            a_request(
                "POST",
                "/v1/agents/",
                {"name": "ada", "memory_blocks": [{"label": "human", "value": "Likes tea."}]},
            )
        )
        agent = json.loads(created["body"])
        listed = api.invoke(a_request("GET", "/v1/agents/?limit=100"))

    assert health["statusCode"] == 200
    assert json.loads(health["body"])["status"] == "ok"
    assert refused["statusCode"] == 401
    assert created["statusCode"] == 200, created
    assert agent["llm_config"]["handle"] == MODEL
    assert agent["id"] in {item["id"] for item in json.loads(listed["body"])}
    assert lambda_world.aws.requests == 1, "one look at SSM for one execution environment"


def test_api_logs_and_counts_and_keeps_secrets_and_words_to_itself(
    lambda_world: LambdaWorld,
) -> None:
    with lambda_world.function("api") as api:
        api.invoke(a_request("POST", "/v1/agents/", {"name": "n", "system": "only for the agent"}))
        api.invoke(a_request("GET", "/v1/health/"))
        written, lines = api.log.read_text(), api.log_lines()

    metrics = [name for line in lines for name in ("ColdStart", "HandlerMs") if name in line]
    assert metrics == ["ColdStart", "HandlerMs", "HandlerMs"]
    assert {line["service"] for line in lines} == {"api"}
    password = psycopg.conninfo.conninfo_to_dict(lambda_world.database.app_uri).get("password")
    for word in (API_KEY, PROVIDER_KEY, "only for the agent", password or API_KEY):
        assert str(word) not in written


def test_chat_answers_over_http_when_it_is_ready(lambda_world: LambdaWorld) -> None:
    agent_id = an_agent(lambda_world.database.admin_uri, model=MODEL)
    lambda_world.provider.answers.append(a_reply("Good morning, Ada."))

    with lambda_world.chat() as chat:
        ready, _ = chat.get(chat.readiness_path)
        status, answer = chat.post(f"/v1/agents/{agent_id}/messages", say("Good morning"))

    assert ready == 200
    assert status == 200, answer
    assert "Good morning, Ada." in json.dumps(answer["messages"])
    assert lambda_world.provider.problems == []


def test_chat_streams_word_by_word_as_the_provider_speaks(lambda_world: LambdaWorld) -> None:
    agent_id = an_agent(lambda_world.database.admin_uri, model=MODEL)
    lambda_world.provider.answers.append(a_reply("one two three four five six"))
    lambda_world.provider.pause_s = PAUSE_S
    body = say("Count") | {"stream_tokens": True}

    with lambda_world.chat() as chat:
        pieces = list(chat.stream(f"/v1/agents/{agent_id}/messages/stream", body))

    arrivals = [at for at, text in pieces if "assistant_message" in text]
    assert len(arrivals) >= 6
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    assert sorted(gaps)[len(gaps) // 2] > PAUSE_S / 2, "words arrived in one lump"
    assert pieces[-1][1].rstrip().endswith("data: [DONE]")


def test_run_goes_on_when_its_caller_hangs_up_and_can_be_taken_up_again(
    lambda_world: LambdaWorld,
) -> None:
    agent_id = an_agent(lambda_world.database.admin_uri, model=MODEL)
    lambda_world.provider.answers.append(a_reply("one two three four five six"))
    lambda_world.provider.pause_s = PAUSE_S
    body = say("Count") | {"stream_tokens": True, "background": True}

    with lambda_world.chat() as chat:
        pieces = chat.stream(f"/v1/agents/{agent_id}/messages/stream", body)
        _, first = next(pieces)
        pieces.close()
        run_id = re.search(r"run-[0-9a-f-]{36}", first)[0]  # type: ignore[index]
        taken_up = "".join(text for _, text in chat.stream(f"/v1/runs/{run_id}/stream", {}))

    assert "six" in taken_up
    assert taken_up.rstrip().endswith("data: [DONE]")


def test_chat_logs_a_line_for_each_request_and_nothing_of_what_is_said(
    lambda_world: LambdaWorld,
) -> None:
    agent_id = an_agent(lambda_world.database.admin_uri, model=MODEL)
    lambda_world.provider.answers.append(a_reply("a secret answer"))
    path = f"/v1/agents/{agent_id}/messages"

    with lambda_world.chat() as chat:
        chat.post(path, say("a secret question"))
    written, lines = chat.log.read_text(), chat.log_lines()

    (line,) = [line for line in lines if line.get("message") == "answered"]
    assert (line["method"], line["path"], line["status"]) == ("POST", path, 200)
    assert line["trace_id"] == TRACE_ID
    assert line["correlation_id"] == REQUEST_ID
    (step,) = [line for line in lines if line.get("message") == "step"]
    assert step["agent_id"] == agent_id
    assert step["round_trips"] >= 2, "a slow import of the SDK adds looks for a cancellation"
    (metrics,) = [line for line in lines if "_aws" in line]
    assert metrics["Steps"] == [1.0]
    assert 0 < metrics["FirstByteMs"][0] <= metrics["HandlerMs"][0]
    assert "a secret" not in written
    assert API_KEY not in written


def test_step_takes_one_step_a_bell_and_rings_until_the_run_is_over(
    lambda_world: LambdaWorld,
) -> None:
    admin_uri = lambda_world.database.admin_uri
    agent_id = an_agent(admin_uri, model=MODEL, blocks={"human": "Name: unknown."})
    run_id, bell = a_background_run(lambda_world, agent_id, "I am Ada")
    remember = ToolCall(
        tool_call_id="call_1",
        name="memory_insert",
        arguments=json.dumps({"label": "human", "new_string": "Name: Ada."}),
    )
    lambda_world.provider.answers += [a_reply(remember), a_reply("Hello Ada.")]

    with lambda_world.function("step") as step:
        first = step.invoke(a_bell(bell))
        (rung,) = lambda_world.aws.messages
        second = step.invoke(a_bell(rung["MessageBody"]))
        late = step.invoke(a_bell(bell))

    assert first == second == late == {"batchItemFailures": []}
    assert rung["MessageGroupId"] == bell["conversation_id"]
    assert len(lambda_world.aws.messages) == 1, "the last step rings no more"
    assert history(admin_uri, agent_id)[-1] == ("assistant", "Hello Ada.")
    query = "select status from remanence.runs where id = %s"
    assert value(admin_uri, query, run_id) == "completed"


def test_step_reports_the_bells_of_a_batch_it_cannot_answer(lambda_world: LambdaWorld) -> None:
    agent_id = an_agent(lambda_world.database.admin_uri, model=MODEL)
    run_id, bell = a_background_run(lambda_world, agent_id, "Hello")
    lambda_world.provider.answers.append(a_reply("Hello Ada."))
    batch = a_bell(bell)
    for name, body in (("broken", "rubbish"), ("behind", bell)):
        batch["Records"] += [a_bell(body, attempt=2)["Records"][0] | {"messageId": name}]

    with lambda_world.function("step") as step:
        answer = step.invoke(batch)

    failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    assert failures == ["broken", "behind"]
    assert [item["VisibilityTimeout"] for item in lambda_world.aws.postponed] == [10]
    query = "select status from remanence.runs where id = %s"
    assert value(lambda_world.database.admin_uri, query, run_id) == "completed"


def test_compact_rings_for_runs_that_were_left_hanging(lambda_world: LambdaWorld) -> None:
    admin_uri = lambda_world.database.admin_uri
    _, bell = a_background_run(lambda_world, an_agent(admin_uri, model=MODEL), "Anybody?")
    with psycopg.connect(admin_uri, autocommit=True) as conn:
        conn.execute("update remanence.runs set created_at = now() - interval '1 hour'")

    with lambda_world.function("compact") as compact:
        report = compact.invoke(an_event("schedule"))

    assert report["rung"] >= 1
    assert bell["conversation_id"] in {m["MessageGroupId"] for m in lambda_world.aws.messages}


def test_tool_runs_in_a_process_without_the_functions_environment(
    lambda_world: LambdaWorld,
) -> None:
    request = {
        "tool_call_id": "call-1",
        "tool_id": "tool-1",
        "org_id": "org-1",
        "agent_id": "agent-1",
        "name": "look",
        "source_code": "import os\n"
        "def look(key):\n    return [os.environ.get(key), os.listdir()]\n",
        "arguments": {"key": "AWS_SECRET_ACCESS_KEY"},
        "requirements": False,
        "timeout_s": 10.0,
    }

    with lambda_world.function("tool") as tool:
        answer = tool.invoke(request)

    assert answer == {"status": "success", "text": "[null, []]", "stdout": [], "stderr": []}


def say(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def a_background_run(
    lambda_world: LambdaWorld, agent_id: str, text: str
) -> tuple[str, dict[str, str]]:
    """A stored run nobody has begun, and the bell that is rung for it."""
    run_id = new_id("run")
    world = World.over(lambda_world.database.app_uri)
    try:
        world.deps.store.start_run(
            DEFAULT_ORG_ID,
            an_order(agent_id, text, background=True),
            run_id=run_id,
            lease_token="",
            lease_ms=1000,
        )
    finally:
        world.close()
    query = "select conversation_id from remanence.runs where id = %s"
    conversation_id = value(lambda_world.database.admin_uri, query, run_id)
    bell = {"org_id": DEFAULT_ORG_ID, "conversation_id": conversation_id, "run_id": run_id}
    return run_id, bell
