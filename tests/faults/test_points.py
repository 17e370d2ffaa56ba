"""A worker dies, sleeps past its lease, or loses its connection at every point it can pass.

Each play is what clients do with an agent. It is played once in peace; then again for each point
that any of its workers passes, with one worker killed (or put to sleep until others have done its
work, or cut off from the database) exactly there. What is stored in the end must be the same.
Workers are processes, behind a real pgbouncer where there is one; their clocks are a minute apart.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.fault_bench import Bench, last_places
from support.plays import CONFLICT, PLAYS

from remanence.engine.points import Point

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.fault_bench import Play
    from support.nursery import Nursery
    from support.pg import Database


@pytest.fixture(scope="module")
def bench(pooled_database: tuple[Database, str], nursery: Nursery) -> Generator[Bench]:
    database, uri = pooled_database
    made = Bench(nursery, database.admin_uri, uri)
    yield made
    made.close()


def test_every_point_is_passed_by_some_play() -> None:
    passed = {point for play in PLAYS for point in play.points.split()} | {*CONFLICT.split()}

    assert {point.value for point in Point} - passed == set()


# Where a model call is paid twice: a reply that died with its worker is asked for again, and a
# sleeper that wakes up after its lease asks before it learns that others have done its work. A
# compaction that died before its commit asks for all its summaries again, and a reading of facts
# for its span.
REPLY_LOST = {
    *(Point.IN_REPLY, Point.AFTER_REPLY, Point.BEFORE_COMMIT),
    *(Point.BEFORE_COMPACTION, Point.BEFORE_FACTS),
}
PAID_TWICE = {
    "kill": REPLY_LOST,
    "stop": REPLY_LOST | {Point.AFTER_CLAIM, Point.BEFORE_MODEL, Point.AFTER_COMMIT},
    "cut": set[Point](),
}


# Where the world outside hears of the same thing twice, by the same key: its worker died, or slept,
# between the effect and the commit that says so.
TOLD_TWICE = {
    "kill": {Point.AFTER_TOOL, Point.BEFORE_COMMIT, Point.AFTER_CALLBACK},
    "stop": {
        *(Point.BEFORE_TOOL, Point.AFTER_TOOL, Point.BEFORE_COMMIT),
        *(Point.BEFORE_CALLBACK, Point.AFTER_CALLBACK),
    },
    "cut": set[Point](),
}


@pytest.mark.parametrize("how", ["kill", "stop", "cut"])
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
def test_play_ends_the_same_wherever_a_worker_is_struck(bench: Bench, play: Play, how: str) -> None:
    peaceful = bench.play(play)
    reached, asked = bench.reached, bench.asked
    points = Counter(point for _, point in reached)
    compaction = asked - points[Point.BEFORE_MODEL] - points[Point.BEFORE_FACTS]
    effects, calls = bench.told("effect"), bench.told("called")
    assert peaceful.problems == []
    assert " ".join(point for _, point in reached) == play.points
    assert bool(effects) == (Point.AFTER_TOOL in play.points.split())
    assert bool(calls) == (Point.AFTER_CALLBACK in play.points.split())
    assert bool(peaceful.passages) >= (Point.AFTER_FACTS in points)

    # Death at every place; the others, which cost more, where a point is passed last.
    for place, point in reached if how == "kill" else last_places(reached):
        struck = bench.play(play, strike=place, how=how)

        assert bench.struck == point
        assert struck == peaceful, f"{how} at {point}, {place}"
        paid_again = bench.asked - asked
        most = compaction if point == Point.BEFORE_COMPACTION else 1
        assert paid_again <= most * (point in PAID_TWICE[how]), f"{how} at {point}, {place}"
        for once, told in ((effects, bench.told("effect")), (calls, bench.told("called"))):
            assert told.keys() == once.keys(), f"{how} at {point}, {place}"
            again = told.total() - once.total()
            assert again <= (point in TOLD_TWICE[how]), f"{how} at {point}, {place}"
