"""A run is cancelled from another process while its worker stands at each of its points."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.fault_bench import Bench, last_places
from support.plays import PLAYS
from support.world import World, an_agent, ended, history, value

from remanence.core.exchange import Reply, Text, TextDelta
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.engine.points import Point
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from support.fault_bench import Place, Play
    from support.nursery import Nursery
    from support.pg import Database

    from remanence.core.exchange import Delta, Request

AGAIN = {"do": "start", "text": "again [[script: say here I am]]"}


@pytest.fixture(scope="module")
def bench(pooled_database: tuple[Database, str], nursery: Nursery) -> Generator[Bench]:
    database, uri = pooled_database
    made = Bench(nursery, database.admin_uri, uri)
    yield made
    made.close()


def play_until_struck(bench: Bench, play: Play, place: Place, how: str) -> None:
    """Cancel all its runs while a worker stands at `place`, asleep or dead; play no further."""
    bench.raise_curtain(play, strike=place, how=how)

    def cancel() -> None:
        for conversation_id in bench.on_stage.conversations:
            bench.work({"do": "cancel", "conversation_id": conversation_id})

    bench.then = cancel
    for number, act in enumerate(play.acts):
        bench.act(play, bench.on_stage, {"key": f"key-{number}", **act})
        if bench.struck:
            return


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
def test_cancel_keeps_what_was_committed_and_drops_the_rest_wherever_the_worker_is(
    bench: Bench, play: Play, how: str
) -> None:
    bench.play(play)
    reached = bench.reached

    for place, point in last_places(reached):
        if place[1] == 1 and point == Point.BEFORE_CLAIM:
            continue  # its run is not there yet, or another worker's step is done
        play_until_struck(bench, play, place, how)
        stored = bench.snapshot(bench.on_stage)

        before = reached[: reached.index((place, point)) + 1]
        done = sum(passed == Point.AFTER_COMMIT for _, passed in before)
        succeeded = [step for step in stored.steps if step[3] == "success"]
        assert len(succeeded) == done, (point, place)
        assert {run[2] for run in stored.runs} <= {"completed", "cancelled"}, (point, place)
        assert stored.problems == [], (point, place)
        bench.act(play, bench.on_stage, {**AGAIN, "key": "again"})
        after = bench.snapshot(bench.on_stage)
        assert after.problems == []
        assert [message[3] for message in after.messages if message[0] == 1][-1] == (
            "text::here I am"
        )
        bench.dismiss(bench.on_stage)


class Slow(ScriptedLlm):
    """Says a word every 50 ms, for ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.said = threading.Event()
        self.words = 0

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        for _ in range(200):
            self.words += 1
            yield TextDelta(text="word ")
            self.said.set()
            time.sleep(0.05)
        yield Reply(parts=(Text(text="all words"),), finish="stop")


@pytest.mark.parametrize("stream", [True, False])
def test_cancel_from_another_worker_stops_a_model_in_the_middle_of_its_reply(
    database: Database, stream: bool
) -> None:
    agent_id = an_agent(database.admin_uri)
    model = Slow()
    models = Models((), in_process={"scripted": model}, default_handle="scripted/model")
    worker = World.over(database.app_uri, models=models)
    other = World.over(database.app_uri)
    conversation_id = value(
        database.admin_uri, "select id from remanence.conversations where agent_id = %s", agent_id
    )

    def cancel() -> None:
        model.said.wait()
        other.engine.cancel(DEFAULT_ORG_ID, conversation_id=conversation_id)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    events = worker.say(agent_id, "tell me everything", stream=stream)
    canceller.join()

    assert ended(events).stop_reason == "cancelled"
    assert model.words < 120  # a look every other second, and not the ten seconds of the reply
    assert history(database.admin_uri, agent_id) == [("user", "tell me everything")]
    worker.close()
    other.close()
