"""A worker dies, sleeps past its lease, or loses its connection at every point it can pass.

Each play is what clients do with an agent. It is played once in peace; then again for each point
that any of its workers passes, with one worker killed (or put to sleep until others have done its
work, or cut off from the database) exactly there. What is stored in the end must be the same.
Workers are processes, behind a real pgbouncer where there is one; their clocks are a minute apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.bouncer import Bouncer, pgbouncer_program
from support.fault_bench import Bench, Play
from support.nursery import Nursery

from remanence.engine.points import Point

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from support.pg import Databases

# The number of a worker, and of one of the points it passes.
Place = tuple[int, int]
CLAIM = "before_claim after_claim"
STEP = "before_model in_reply after_reply before_commit after_commit"
# Calls that were approved, or that the caller has run: no model is asked.
OPEN_CALLS = "before_commit after_commit"
BELL = "before_bell after_bell"
IDLE = "before_claim"
ADVANCE = f"{CLAIM} {STEP}"
LONG = "Nothing else happens in this sentence. " * 60

PLAYS = (
    Play(
        "plain",
        ({"do": "start", "text": "hi [[script: say hello]]"},),
        f"{CLAIM} {STEP}",
    ),
    Play(
        "streamed",
        ({"do": "start", "stream": True, "text": "hi [[script: say one two three]]"},),
        f"{CLAIM} {STEP}",
    ),
    Play(
        "memory edit",
        (
            {
                "do": "start",
                "text": 'I am Ada [[script: call memory_insert {"label":"human",'
                '"new_string":"Ada"}]] [[then: say noted]]',
            },
        ),
        f"{CLAIM} {STEP} {STEP}",
    ),
    Play(
        "archival memory",
        (
            {
                "do": "start",
                "text": 'keep it [[script: call archival_memory_insert {"content":"tea"}]]'
                ' [[then: call archival_memory_search {"query":"tea"}]] [[then: say kept]]',
            },
        ),
        f"{CLAIM} {STEP} {STEP} {STEP}",
        tools=("archival_memory_insert", "archival_memory_search"),
    ),
    Play(
        "many steps and calls",
        (
            {
                "do": "start",
                "text": 'go [[script: call memory_insert {"label":"human","new_string":"1"}]]'
                ' [[and: call memory_insert {"label":"human","new_string":"2"}]]'
                ' [[then: call memory_insert {"label":"nobody","new_string":"3"}]]'
                ' [[then: call memory_insert {"label":"human","new_string":"4"}]]'
                " [[then: say done]]",
            },
        ),
        f"{CLAIM} {STEP} {STEP} {STEP} {STEP}",
    ),
    Play(
        "shared block",
        tuple(
            {
                "do": "enqueue",
                "who": who,
                "text": 'note [[script: call memory_insert {"label":"team",'
                f'"new_string":"by {who}"}}]] [[then: say noted]]',
            }
            for who in (0, 1)
        ),
        f"{BELL} {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE}",
    ),
    Play(
        "queued behind each other",
        tuple(
            {
                "do": "enqueue",
                "rest": number == 3,
                "text": f'{number} [[script: call memory_insert {{"label":"human",'
                f'"new_string":"{number}"}}]] [[then: say {number}]]',
            }
            for number in (1, 2, 3)
        ),
        f"{BELL} {BELL} {BELL} {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE} {BELL}"
        f" {ADVANCE} {BELL} {ADVANCE} {BELL} {ADVANCE} {IDLE} {IDLE}",
    ),
    Play(
        "handed over",
        (
            {
                "do": "start",
                "deadline_s": 60,
                "text": 'go [[script: call memory_insert {"label":"human","new_string":"1"}]]'
                ' [[then: call memory_insert {"label":"human","new_string":"2"}]]'
                " [[then: say done]]",
            },
        ),
        f"{CLAIM} {STEP} {BELL} {ADVANCE} {BELL} {ADVANCE}",
    ),
    Play(
        "approval",
        (
            {
                "do": "start",
                "text": 'go [[script: call memory_insert {"label":"human","new_string":"1"}]]'
                ' [[and: call memory_insert {"label":"human","new_string":"2"}]]'
                " [[then: say done]]",
            },
            {"do": "start", "approve": [True, False]},
        ),
        f"{CLAIM} {STEP} {CLAIM} {OPEN_CALLS} {STEP}",
        columns={"tool_rules": [{"type": "requires_approval", "tool_name": "memory_insert"}]},
    ),
    Play(
        "client-side tool",
        (
            {
                "do": "start",
                "phone": True,
                "text": "where am I? [[script: call ask_phone {}]] [[then: say in Rome]]",
            },
            {"do": "enqueue", "returns": ["in Rome"], "phone": True},
        ),
        f"{CLAIM} {STEP} {BELL} {ADVANCE}",
    ),
    Play(
        "full window",
        tuple(
            {"do": "start", "text": f"{3 * LONG} [[script: say {number}]]"} for number in range(3)
        ),
        " ".join(f"{CLAIM} {STEP}" for _ in range(3)),
        columns={"context_window_limit": 4_000},
    ),
    Play(
        "compaction",
        tuple(
            {"do": "start", "text": f"{4 * LONG} [[script: say {number}]]"} for number in range(2)
        ),
        f"{CLAIM} {STEP} {CLAIM} {STEP} before_compaction after_compaction",
        columns={"context_window_limit": 6_000},
        share=0.5,
    ),
)


@pytest.fixture(scope="module")
def bench(databases: Databases) -> Generator[Bench]:
    database = databases.clone()
    program = pgbouncer_program()
    with Nursery.started() as nursery:
        if program is None:
            made = Bench(nursery, database.admin_uri, database.app_uri)
            yield made
        else:
            with Bouncer.started(program, databases.pg) as bouncer:
                made = Bench(nursery, database.admin_uri, bouncer.uri(database.app_uri))
                yield made
        made.close()
    databases.drop(database)


def test_every_point_is_passed_by_some_play() -> None:
    passed = {point for play in PLAYS for point in play.points.split()}

    assert {point.value for point in Point} - passed == set()


# Where a model call is paid twice: a reply that died with its worker is asked for again, and a
# sleeper that wakes up after its lease asks before it learns that others have done its work.
REPLY_LOST = {Point.IN_REPLY, Point.AFTER_REPLY, Point.BEFORE_COMMIT, Point.BEFORE_COMPACTION}
PAID_TWICE = {
    "kill": REPLY_LOST,
    "stop": REPLY_LOST | {Point.AFTER_CLAIM, Point.BEFORE_MODEL, Point.AFTER_COMMIT},
    "cut": set[Point](),
}


def places(reached: Sequence[tuple[Place, str]], how: str) -> list[tuple[Place, str]]:
    """Where to strike: death at every place, the others where a point is passed last."""
    last = {point: place for place, point in reached}
    return [(place, point) for place, point in reached if how == "kill" or last[point] == place]


@pytest.mark.parametrize("how", ["kill", "stop", "cut"])
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
def test_play_ends_the_same_wherever_a_worker_is_struck(bench: Bench, play: Play, how: str) -> None:
    peaceful = bench.play(play)
    reached, asked = bench.reached, bench.asked
    assert peaceful.problems == []
    assert " ".join(point for _, point in reached) == play.points

    for place, point in places(reached, how):
        struck = bench.play(play, strike=place, how=how)

        assert bench.struck == point
        assert struck == peaceful, f"{how} at {point}, {place}"
        paid_again = bench.asked - asked
        assert paid_again <= (point in PAID_TWICE[how]), f"{how} at {point}, {place}"
