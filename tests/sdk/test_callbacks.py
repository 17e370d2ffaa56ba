"""Being told that a run is over: signed, tried again, and never at an address of ours."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from letta_client import UnprocessableEntityError
from support.receiver import Receiver, receiving
from support.server import Server, now, serving
from support.twins import new_agent, wait_for

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.dispatch.callback import SIGNATURE, HttpCaller, sign
from remanence.engine.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types.agents import Run
    from support.pg import Database

KEY = "whispered"


def a_caller(*, allows_private: bool = True) -> HttpCaller:
    return HttpCaller(secret=KEY, allows_private=allows_private, now=now)


@pytest.fixture(scope="module")
def server(database: Database) -> Generator[Server]:
    with serving(
        database, engine_options={"caller": a_caller()}, calls_private_addresses=True
    ) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with receiving() as running:
        yield running


def asked(client: Letta, url: str, text: str = "hi [[script: say Hi]]", **fields: Any) -> Run:
    agent = new_agent(client)
    run = client.agents.messages.create_async(agent.id, input=text, callback_url=url, **fields)
    assert (run.callback_url, run.callback_sent_at) == (url, None)
    return run


def told(client: Letta, run: Run) -> Run:
    """The run, once somebody has tried to tell of it."""
    found: Run = wait_for(
        lambda: it if (it := client.runs.retrieve(run.id)).callback_sent_at else None
    )
    return found


def sweep_due(server: Server, database: Database, run: Run) -> int:
    """Let the pause pass, and sweep."""
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.runs set callback_due_at = clock_timestamp()"
            " where id = %s and callback_due_at is not null",
            [run.id],
        )
    deps = server.deps.engine._deps
    return sweep(deps, share=1e9, deadline=time.monotonic() + 30).told


def tries(database: Database, run: Run) -> tuple[int, bool]:
    """How often it was tried, and whether that is all."""
    with psycopg.connect(database.admin_uri) as conn:
        row = conn.execute(
            "select callback_tries, callback_due_at is null from remanence.runs where id = %s",
            [run.id],
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_caller_is_told_of_the_end_signed(client: Letta, receiver: Receiver) -> None:
    run = asked(client, receiver.url)

    done = told(client, run)

    (call,) = receiver.received
    assert (call.method, call.path) == ("POST", "/told?by=agent")
    assert call.headers["content-type"] == "application/json"
    assert call.body == {
        "run_id": run.id,
        "status": "completed",
        "completed_at": call.body["completed_at"],
        "metadata": {"run_type": "send_message", "stop_reason": "end_turn"},
    }
    assert call.body["completed_at"].startswith(done.completed_at.isoformat()[:19])
    at = int(call.headers[SIGNATURE].split(",")[0].removeprefix("t="))
    assert call.headers[SIGNATURE] == sign(KEY, call.data, at)
    assert abs(at - time.time()) < 60
    assert (done.callback_status_code, done.callback_error) == (200, None)


def test_caller_is_told_of_a_failure_by_the_method_it_asked_for(
    client: Letta, receiver: Receiver
) -> None:
    run = asked(
        client,
        receiver.url,
        "x [[script: error rejected]]",
        extra_body={"callback_method": "PUT"},
    )

    told(client, run)

    (call,) = receiver.received
    assert call.method == "PUT"
    assert call.body["status"] == "failed"
    assert call.body["metadata"]["error"]


def test_caller_who_fails_is_told_again_later_and_then_no_more(
    server: Server, database: Database, client: Letta, receiver: Receiver
) -> None:
    receiver.answers += [500, 302]
    run = asked(client, receiver.url)
    failed = told(client, run)
    assert (failed.callback_status_code, failed.callback_error) == (
        500,
        "the receiver answered 500",
    )
    assert tries(database, run) == (1, False)

    assert sweep_due(server, database, run) == 0  # a redirect is not followed
    assert client.runs.retrieve(run.id).callback_status_code == 302
    assert sweep_due(server, database, run) == 1
    assert sweep_due(server, database, run) == 0

    assert [call.headers["x-remanence-try"] for call in receiver.received] == ["1", "2", "3"]
    assert {call.path for call in receiver.received} == {"/told?by=agent"}
    done = client.runs.retrieve(run.id)
    assert (done.callback_status_code, done.callback_error) == (200, None)


def test_tries_are_bounded(
    server: Server, database: Database, client: Letta, receiver: Receiver
) -> None:
    receiver.answers += [503] * 9
    run = asked(client, receiver.url)
    told(client, run)

    for _ in range(6):
        sweep_due(server, database, run)

    assert tries(database, run) == (5, True)
    assert len(receiver.received) == 5


def test_caller_who_is_not_there_is_tried_again(
    server: Server, database: Database, client: Letta
) -> None:
    run = asked(client, "http://127.0.0.1:9/closed")

    failed = told(client, run)

    assert failed.callback_status_code is None
    assert "ConnectionRefusedError" in str(failed.callback_error)
    assert tries(database, run) == (1, False)


def test_callback_lost_with_its_worker_is_sent_by_the_sweep(
    server: Server, database: Database, receiver: Receiver
) -> None:
    with serving(database, calls_private_addresses=True) as mute, mute.client() as client:
        run = asked(client, receiver.url)
        wait_for(lambda: client.runs.retrieve(run.id).status == "completed")
        assert tries(database, run) == (0, False)

        assert sweep_due(server, database, run) == 1

        assert [call.body["run_id"] for call in receiver.received] == [run.id]


def test_callback_of_a_sender_that_died_is_taken_on_by_another(
    server: Server, database: Database, receiver: Receiver
) -> None:
    with serving(database, calls_private_addresses=True) as mute, mute.client() as client:
        run = asked(client, receiver.url)
        wait_for(lambda: client.runs.retrieve(run.id).status == "completed")
        deps = server.deps.engine._deps
        assert deps.store.claim_callback(DEFAULT_ORG_ID, run.id, hold_s=60) is not None

        assert deps.store.claim_callback(DEFAULT_ORG_ID, run.id, hold_s=60) is None
        assert sweep_due(server, database, run) == 1

        assert [call.headers["x-remanence-try"] for call in receiver.received] == ["2"]


def test_caller_of_a_cancelled_run_is_told(
    server: Server, database: Database, client: Letta, receiver: Receiver
) -> None:
    agent = new_agent(client)
    client.agents.messages.create_async(agent.id, input="first [[script: delay 1]]")
    run = client.agents.messages.create_async(agent.id, input="second", callback_url=receiver.url)

    client.agents.messages.cancel(agent.id, run_ids=[run.id])

    assert sweep_due(server, database, run) == 1
    assert receiver.received[0].body["status"] == "cancelled"


def test_caller_is_told_of_calls_that_wait(client: Letta, receiver: Receiver) -> None:
    rule: Any = {"type": "requires_approval", "tool_name": "memory_insert"}
    agent = new_agent(client, tool_rules=[rule])
    note = 'call memory_insert {"label": "human", "new_string": "x"}'

    run = client.agents.messages.create_async(
        agent.id, input=f"go [[script: {note}]]", callback_url=receiver.url
    )

    told(client, run)
    assert receiver.received[0].body["metadata"]["stop_reason"] == "requires_approval"


def test_slow_receiver_holds_nobody_for_long(
    client: Letta, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remanence.engine.callback.TRY_LIMIT_S", 1.2)
    receiver.pause_s = 0.3  # a byte now and then
    began = time.monotonic()

    failed = told(client, asked(client, receiver.url))

    assert failed.callback_status_code is None
    assert failed.callback_error
    assert time.monotonic() - began < 5


def test_receiver_that_does_not_speak_tls_is_an_error_and_no_plain_text(
    client: Letta, receiver: Receiver
) -> None:
    run = asked(client, receiver.url.replace("http://", "https://"))

    failed = told(client, run)

    assert "SSL" in str(failed.callback_error)
    assert receiver.received == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80/",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "file:///etc/passwd",
    ],
)
def test_private_address_is_refused_with_the_request(database: Database, url: str) -> None:
    with serving(database) as strict, strict.client() as client:
        agent = new_agent(client)

        with pytest.raises(UnprocessableEntityError, match="callback_url"):
            client.agents.messages.create_async(agent.id, input="hi", callback_url=url)

        assert client.runs.list(agent_id=agent.id).items == []


def test_name_of_a_private_address_is_refused_when_it_is_called(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(receiver.url.split(":")[2].split("/")[0])
    resolved: list[str] = []

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        if host != "callback.example.org":
            return really(host, *args, **kwargs)
        resolved.append(host)
        addresses = ["93.184.216.34", "127.0.0.1"]
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    really = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        serving(database, engine_options={"caller": a_caller(allows_private=False)}) as strict,
        strict.client() as client,
    ):
        run = asked(client, f"http://callback.example.org:{port}/x")
        refused = told(client, run)

    assert resolved == ["callback.example.org"]
    assert "not public" in str(refused.callback_error)
    assert receiver.received == []
    assert tries(database, run) == (1, True)


def test_callback_of_a_run_is_shown_in_lists_too(
    server: Server, client: Letta, receiver: Receiver
) -> None:
    run = asked(client, receiver.url)
    told(client, run)

    listed = httpx.get(f"{server.base_url}/v1/runs/", params={"agent_id": run.agent_id}).json()

    assert listed[0]["callback_url"] == receiver.url
    assert listed[0]["callback_status_code"] == 200
