"""A list of models that answer for an agent when its own cannot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.wires import AnthropicServer, Failure, OpenAIServer, a_reply
from support.world import World, an_agent, ended, history, value

from remanence.core.exchange import ToolCall
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

VENDOR = {vendor.name: vendor for vendor in VENDORS}
FALLBACK = "anthropic/other-model"


class Bench:
    """Two providers, a worker that calls both, and an agent with one behind the other."""

    def __init__(self, database: Database, **world: Any) -> None:
        self.database = database
        self.own, self.other = OpenAIServer(), AnthropicServer()
        providers = [
            Provider(vendor=VENDOR["groq"], base_url=self.own.base_url, api_key="key"),
            Provider(vendor=VENDOR["anthropic"], base_url=self.other.base_url, api_key="key"),
        ]
        self.models = Models(providers, pace=Pace(sleep=lambda _seconds: None))
        self.world = World.over(database.app_uri, models=self.models, **world)
        self.agent_id = an_agent(
            database.admin_uri,
            model="groq/model",
            extras={"model_settings": {"fallback_models": [FALLBACK]}},
        )

    def say(self, text: str) -> Any:
        return ended(self.world.say(self.agent_id, text, stream=True))

    def models_of_steps(self) -> list[str]:
        query = (
            "select array_agg(model order by created_at) from remanence.steps where agent_id = %s"
        )
        return value(self.database.admin_uri, query, self.agent_id)


@pytest.fixture
def bench(database: Database) -> Generator[Bench]:
    yield from benched(Bench(database))


@pytest.fixture
def hasty(database: Database) -> Generator[Bench]:
    yield from benched(Bench(database, step_limit_s=6.0, cancel_look_s=0.1))


def benched(made: Bench) -> Generator[Bench]:
    with made.own, made.other:
        yield made
        made.world.close()
        made.models.close()


@pytest.mark.parametrize("kind", ["401", "quota", "429", "500", "drop"])
def test_next_model_answers_when_the_own_one_cannot(bench: Bench, kind: str) -> None:
    bench.own.answers += [Failure(kind)] * 4
    bench.other.answers.append(a_reply("here I am"))

    run = bench.say("hello")
    bench.own.answers.clear()
    bench.own.answers.append(a_reply("back again"))
    after = bench.say("and now?")

    assert (run.stop_reason, after.stop_reason) == ("end_turn", "end_turn")
    assert bench.models_of_steps() == [FALLBACK, "groq/model"]
    assert [text for _, text in history(bench.database.admin_uri, bench.agent_id)] == [
        "hello",
        "here I am",
        "and now?",
        "back again",
    ]


@pytest.mark.parametrize("kind", ["400", "filtered"])
def test_request_that_is_refused_is_not_taken_elsewhere(bench: Bench, kind: str) -> None:
    bench.own.answers.append(Failure(kind))

    assert bench.say("hello").stop_reason == "llm_api_error"
    assert bench.other.bodies == []


def test_answer_that_somebody_saw_the_beginning_of_is_not_begun_anew(bench: Bench) -> None:
    bench.own.answers.append(Failure("cut"))

    assert bench.say("hello").stop_reason == "invalid_llm_response"
    assert bench.other.bodies == []


def test_silent_model_leaves_the_next_one_its_time(hasty: Bench) -> None:
    hasty.own.answers.append(Failure("hang"))
    hasty.other.answers.append(a_reply("here I am"))
    began = time.monotonic()

    run = hasty.say("hello")

    assert run.stop_reason == "end_turn"
    assert 2.5 < time.monotonic() - began < 6.0


def test_model_that_answered_goes_on_with_its_tool_loop(bench: Bench) -> None:
    call = ToolCall(tool_call_id="call-1", name="conversation_search", arguments='{"query":"tea"}')
    bench.own.answers += [Failure("500")] * 4
    bench.other.answers += [a_reply(call, finish="tool_calls"), a_reply("nothing about tea")]

    run = bench.say("did I mention tea?")

    assert run.stop_reason == "end_turn"
    assert bench.models_of_steps() == [FALLBACK, FALLBACK]
    assert len(bench.own.bodies) == 4
    assert bench.own.problems == bench.other.problems == []


def test_all_that_cannot_answer_fail_the_run_with_the_last_one(bench: Bench) -> None:
    bench.own.answers += [Failure("500")] * 4
    bench.other.answers.append(Failure("401"))

    run = bench.say("hello")

    assert run.stop_reason == "llm_api_error"
    assert run.error.type == "llm_authentication"
