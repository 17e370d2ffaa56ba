"""A model that does not answer is left alone for a while, and asked again by one call."""

from __future__ import annotations

import pytest
from support.conversations import a_request
from support.wires import Failure, OpenAIServer, a_reply

from remanence.errors import ProviderError, ProviderOverloaded, ProviderRateLimited
from remanence.llm.circuit import MOST_FAILURES, PAUSE_S, Circuit
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.vendors import VENDORS, Provider


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Circuit:
    circuit = Circuit("somebody", clock)
    for _ in range(MOST_FAILURES):
        circuit.enter()
        circuit.failed()
    return circuit


def test_calls_are_refused_at_once_after_some_that_failed_in_a_row() -> None:
    with pytest.raises(ProviderOverloaded, match=r"somebody has failed 3 calls in a row.* 15 s"):
        opened(Clock()).enter()


def test_call_that_works_in_between_forgets_those_that_failed() -> None:
    clock = Clock()
    circuit = Circuit("somebody", clock)
    for _ in range(MOST_FAILURES * 2):
        circuit.enter()
        circuit.failed()
        circuit.worked()
    circuit.enter()


def test_one_call_looks_after_the_pause_and_opens_the_way_for_all() -> None:
    clock = Clock()
    circuit = opened(clock)
    clock.now += PAUSE_S

    circuit.enter()
    with pytest.raises(ProviderOverloaded):
        circuit.enter()
    circuit.worked()
    circuit.enter()
    circuit.enter()


def test_dead_model_is_not_called_and_its_neighbours_are() -> None:
    clock = Clock()
    pace = Pace(sleep=lambda _seconds: None, clock=clock)
    vendors = {vendor.name: vendor for vendor in VENDORS}
    with OpenAIServer() as dead, OpenAIServer() as well:
        models = Models(
            [
                Provider(vendor=vendors["groq"], base_url=dead.base_url, api_key="key"),
                Provider(vendor=vendors["vllm"], base_url=well.base_url),
            ],
            pace=pace,
        )
        dead.answers += [Failure("500")] * 4 * MOST_FAILURES

        def call(handle: str) -> None:
            list(models.call(a_request(handle=handle), stream=True, deadline=clock.now + 1e9))

        # the packages count their time by the real clock: far enough away
        for _ in range(MOST_FAILURES):
            with pytest.raises(ProviderError):
                call("groq/model")
        asked = len(dead.bodies)
        with pytest.raises(ProviderOverloaded, match="is asked again in"):
            call("groq/model")
        call("vllm/model")
        refused = len(dead.bodies)
        dead.answers.append(a_reply("another model of it"))
        call("groq/another")
        clock.now += PAUSE_S
        dead.answers.append(a_reply("back"))
        call("groq/model")
        models.close()

    assert asked == refused == 4 * MOST_FAILURES
    assert len(dead.bodies) == asked + 2


def test_rate_limit_is_an_answer_and_leaves_the_circuit_as_it_is() -> None:
    clock = Clock()
    pace = Pace(sleep=lambda _seconds: None, clock=clock)
    vendor = next(vendor for vendor in VENDORS if vendor.name == "groq")
    with OpenAIServer() as server:
        models = Models(
            [Provider(vendor=vendor, base_url=server.base_url, api_key="key")], pace=pace
        )
        request = a_request(handle="groq/model")
        for _ in range(MOST_FAILURES + 1):
            server.answers += [Failure("429")] * 4
            items = models.call(request, stream=True, deadline=clock.now + 1e9)
            with pytest.raises(ProviderRateLimited):
                next(items)
        models.close()
