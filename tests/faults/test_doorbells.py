"""Bells are doubled, lost, late or out of order, and several workers hear them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.fault_bench import Bench, Play, Postman
from support.plays import PLAYS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Generator

    from support.nursery import Nursery
    from support.pg import Database


@pytest.fixture(scope="module")
def bench(pooled_database: tuple[Database, str], nursery: Nursery) -> Generator[Bench]:
    database, uri = pooled_database
    made = Bench(nursery, database.admin_uri, uri)
    yield made
    made.close()


class Doubling(Postman):
    def take(self, bells: deque[str]) -> list[str]:
        return 2 * [bells.popleft()]


class Losing(Postman):
    """Only what the sweep rings for is heard."""

    def take(self, bells: deque[str]) -> list[str]:
        bells.clear()
        return []


class NewestFirst(Postman):
    def take(self, bells: deque[str]) -> list[str]:
        return [bells.pop()]


class Late(Postman):
    """Delivers all bells when everything is done without them."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def take(self, bells: deque[str]) -> list[str]:
        self.kept += bells
        bells.clear()
        return []

    def rest(self) -> list[str]:
        kept, self.kept = self.kept, []
        return kept


@pytest.mark.parametrize("postman", [Doubling, Losing, NewestFirst, Late])
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
def test_play_ends_the_same_whatever_happens_to_its_bells(
    bench: Bench, play: Play, postman: type[Postman]
) -> None:
    bench.postman = Postman()
    peaceful = bench.play(play)
    asked = bench.asked

    bench.postman = postman()
    disturbed = bench.play(play)

    assert disturbed == peaceful
    assert bench.asked == asked


def noting(number: int) -> str:
    return (
        f'{number} [[script: call memory_insert {{"label":"human","new_string":"{number}"}}]]'
        f" [[then: say {number}]]"
    )


def test_many_workers_on_one_conversation_take_each_step_once(bench: Bench) -> None:
    runs = 8
    acts = tuple({"do": "enqueue", "text": noting(number)} for number in range(runs))
    bench.raise_curtain(Play("crowd", acts, ""))
    cast = bench.on_stage
    spec = {"agent_id": cast.agents[0], "conversation_id": cast.conversations[0]}
    for act in acts:
        bench.work({**act, **spec})
    assert bench.nursery

    jobs = [
        bench.nursery.run({"uri": bench.worker_uri, "do": "advance_all", **spec}) for _ in range(4)
    ]

    assert [job.wait() for job in jobs] == [0, 0, 0, 0]
    stored = bench.snapshot(cast)
    assert stored.problems == []
    assert [run[2] for run in stored.runs] == ["completed"] * runs
    assert [block[2] for block in stored.blocks if block[:2] == [1, "human"]] == [
        "\n".join(["Unknown.", *(str(number) for number in range(runs))])
    ]
    assert sum(len(job.said("asked")) for job in jobs) == 2 * runs
    bench.dismiss(cast)
