"""What comes of each way in which a provider fails: told in the SDK's shape, and the agent lives.

A server with real SDK clients on both sides: letta-client asks it, and it asks a loopback provider
through the `openai` package. The table of outcomes is in infra/.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import letta_client
import pytest
from support.server import now, serving
from support.wires import Failure, OpenAIServer, a_reply

from remanence.core.exchange import ToolCall, Usage
from remanence.core.stopping import MAX_BROKEN_STEPS
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from support.pg import Database

    from remanence.core.exchange import Reply

TABLE = Path(__file__).parents[2] / "infra/OUTCOMES.md"
MODEL = "groq/some-model"
# What a step may take here: a provider that hangs ends with it.
LIMIT_S = 3.0
KEY = "sk-nobody-may-see"
_INTRODUCTION = """\
# What comes of a provider's failure

Written by `tests/sdk/test_outcomes.py`, which lets a loopback provider fail in each way, four times
in a row at most, and looks at what the official SDK is told; `make golden` writes it anew. Whatever
happened, the next message of the same agent was answered. A stream gets the same error as an
`error_message` event, which the SDK raises.

| the provider | calls | stop reason | error | HTTP of a blocking call |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Case:
    """A way to fail, in words, and what the provider answers, so many `times` in a row."""

    words: str
    answer: Failure | Reply
    times: int = 1


def _said(*parts: Any, finish: str) -> Reply:
    return a_reply(*parts, finish=finish, usage=Usage(prompt_tokens=9, completion_tokens=3))


CALL = ToolCall(tool_call_id="call", name="conversation_search", arguments='{"query":"tea"}')
STAYS_BROKEN = Case(
    "calls with arguments that do not fit, whatever it is told",
    _said(
        ToolCall(tool_call_id="call", name="conversation_search", arguments='{"limit":"many"}'),
        finish="tool_calls",
    ),
    times=5,
)
CASES = (
    Case("refuses the key (401)", Failure("401")),
    Case("forbids the model (403)", Failure("403")),
    Case("does not know the model (404)", Failure("404")),
    Case("refuses the request (400)", Failure("400")),
    Case("refuses the prompt by its content filter", Failure("filtered")),
    Case("stops the answer by its content filter", _said("half a", finish="content_filter")),
    Case("answers nothing, by its content filter", _said(finish="content_filter")),
    Case("calls the prompt too long", Failure("too_long")),
    Case("reports no credit left", Failure("quota")),
    Case("asks to slow down (429)", Failure("429")),
    Case("asks to slow down for longer than the step has", Failure("429", retry_after="60")),
    Case("fails (500)", Failure("500")),
    Case("has no capacity (529)", Failure("529")),
    Case("hangs up without an answer", Failure("drop")),
    Case("says nothing", Failure("hang")),
    Case("falls silent in the middle", Failure("stall")),
    Case("breaks off in the middle", Failure("cut")),
    Case("tells an error in the middle", Failure("stream_error")),
    Case("answers what is not JSON", Failure("malformed")),
    Case("answers nothing", _said(finish="stop")),
    Case("has no room to finish", _said("half a", finish="length")),
    Case("gives two calls one id", _said(CALL, CALL, finish="tool_calls")),
    Case(
        "calls with arguments that are not JSON",
        _said(
            ToolCall(tool_call_id="call", name="conversation_search", arguments='{"query": "te'),
            finish="tool_calls",
        ),
    ),
    Case(
        "calls a tool that is not there",
        _said(
            ToolCall(tool_call_id="call", name="fly_to_the_moon", arguments="{}"),
            finish="tool_calls",
        ),
    ),
    STAYS_BROKEN,
)


@dataclass(frozen=True)
class Bench:
    """The provider that fails, and the SDK's client of the server that calls it."""

    provider: OpenAIServer
    client: Letta


@pytest.fixture(scope="module")
def bench(database: Database) -> Generator[Bench]:
    vendor = next(vendor for vendor in VENDORS if vendor.name == "groq")
    with OpenAIServer() as provider:
        provider.pages["/v1/models"] = {"data": [{"id": "some-model"}]}
        models = Models(
            [Provider(vendor=vendor, base_url=provider.base_url, api_key=KEY)],
            pace=Pace(sleep=lambda _seconds: None, chance=lambda: 0.0),
        )
        engine = {"models": models, "step_limit_s": LIMIT_S}
        with (
            serving(database, engine_options=engine, models=models, now=now) as server,
            server.client() as client,
        ):
            yield Bench(provider, client)
        models.close()


def _outcome(bench: Bench, case: Case) -> str:
    """One row of the table."""
    client = bench.client
    agent = client.agents.create(model=MODEL, name="tested")
    before = len(bench.provider.bodies)
    bench.provider.answers.clear()
    times = 5 if isinstance(case.answer, Failure) else case.times
    bench.provider.answers.extend([case.answer] * times)
    status, error, told = "200", "", ""
    try:
        client.agents.messages.create(agent.id, input="hello")
    except letta_client.APIStatusError as exc:
        status, told = str(exc.status_code), exc.response.text
        error = exc.response.json()["error"]["type"]
    calls = len(bench.provider.bodies) - before
    assert KEY not in told
    run = client.runs.list(agent_id=agent.id).items[0]
    assert run.status == (
        "completed" if status == "200" and run.stop_reason == "end_turn" else "failed"
    )

    bench.provider.answers.clear()
    bench.provider.answers.append(a_reply("I am still here"))
    answer = client.agents.messages.create(agent.id, input="and now?")
    assert answer.stop_reason.stop_reason == "end_turn"
    assert [m.content for m in answer.messages if m.message_type == "assistant_message"] == [
        "I am still here"
    ]
    client.agents.delete(agent.id)
    return f"| {case.words} | {calls} | {run.stop_reason} | {error} | {status} |"


def test_every_failure_has_its_outcome_and_leaves_the_agent_usable(
    bench: Bench, rewrite: bool
) -> None:
    text = _INTRODUCTION + "\n".join(_outcome(bench, case) for case in CASES) + "\n"

    if rewrite:
        TABLE.write_text(text)
    assert TABLE.read_text() == text, "run `make golden` and review the diff"


def test_stream_raises_the_same_error_as_the_blocking_call(bench: Bench) -> None:
    agent = bench.client.agents.create(model=MODEL)
    bench.provider.answers.clear()
    bench.provider.answers.append(_said("half a", finish="content_filter"))

    with (
        bench.client.agents.messages.create(agent.id, input="hello", streaming=True) as stream,
        pytest.raises(letta_client.APIStatusError, match="llm_content_filter"),
    ):
        list(stream)
    messages = bench.client.agents.messages.list(agent.id).items

    assert [m.message_type for m in messages if "half a" in str(m)] == []


def test_calls_that_stay_broken_are_kept_with_their_returns_and_told_in_a_stream_too(
    bench: Bench,
) -> None:
    agent = bench.client.agents.create(model=MODEL)
    bench.provider.answers.clear()
    bench.provider.answers.extend([STAYS_BROKEN.answer] * MAX_BROKEN_STEPS)

    with (
        bench.client.agents.messages.create(agent.id, input="hello", streaming=True) as stream,
        pytest.raises(letta_client.APIStatusError, match="llm_bad_tool_calls"),
    ):
        list(stream)
    run = bench.client.runs.list(agent_id=agent.id).items[0]
    messages = bench.client.agents.messages.list(agent.id, order="asc").items

    assert (run.status, run.stop_reason) == ("failed", "invalid_tool_call")
    assert [m.message_type for m in messages if m.message_type != "system_message"] == [
        "user_message",
        *["tool_call_message", "tool_return_message"] * MAX_BROKEN_STEPS,
    ]
    calls = [m.tool_call.tool_call_id for m in messages if m.message_type == "tool_call_message"]
    told = [m for m in messages if m.message_type == "tool_return_message"]
    assert [m.tool_call_id for m in told] == calls
    assert all("`limit`" in m.tool_return for m in told)


def test_silent_provider_costs_no_more_than_the_time_of_a_step(bench: Bench) -> None:
    agent = bench.client.agents.create(model=MODEL)
    bench.provider.answers.clear()
    bench.provider.answers.append(Failure("hang"))
    began = time.monotonic()

    with pytest.raises(letta_client.APIStatusError) as told:
        bench.client.agents.messages.create(agent.id, input="hello")

    assert told.value.status_code == 504
    assert time.monotonic() - began < LIMIT_S * 5
