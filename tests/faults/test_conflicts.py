"""Two agents edit one block at the same time, and one of them is struck on the way."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.fault_bench import Bench, Play, last_places
from support.lossy_proxy import LossyProxy
from support.plays import CONFLICT
from support.world import World, a_block, an_agent, attach_block, ended, value

from remanence.core.exchange import Reply, Text, ToolCall
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.store import PostgresStore
from remanence.engine.points import Point

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg
    from support.fault_bench import Snapshot
    from support.lossy_proxy import When
    from support.nursery import Nursery
    from support.pg import Database

    from remanence.core.exchange import Request


def noting(number: int) -> dict[str, Any]:
    """A message that makes its agent add a line to the block of all."""
    return {
        "do": "start",
        "text": f'note [[script: call memory_insert {{"label":"team","new_string":"by {number}"}}]]'
        " [[then: say noted]]",
    }


TEAM = Play("team", (noting(0),), "")
AFTER_REPLY = (0, 5)


@pytest.fixture(scope="module")
def bench(pooled_database: tuple[Database, str], nursery: Nursery) -> Generator[Bench]:
    database, uri = pooled_database
    made = Bench(nursery, database.admin_uri, uri)
    yield made
    made.close()


def other_edits(bench: Bench) -> None:
    """The second agent notes its line, at once and undisturbed."""
    cast = bench.on_stage
    bench.work({**noting(1), "agent_id": cast.agents[1], "conversation_id": cast.conversations[1]})


def check(bench: Bench, stored: Snapshot, what: object) -> None:
    assert stored.problems == [], what
    team = next(block for block in stored.blocks if block[1] == "team")
    assert sorted(team[2].split("\n")) == ["by 0", "by 1", "start"], what
    assert {run[2] for run in stored.runs} == {"completed"}, what
    bench.dismiss(bench.on_stage)


def test_edit_of_a_shared_block_by_another_agent_at_any_point_is_not_lost(bench: Bench) -> None:
    bench.play(TEAM)

    for place, point in last_places(bench.reached) + bench.reached[:7]:
        bench.raise_curtain(TEAM, strike=place, how="stop")
        bench.then = lambda: other_edits(bench)
        bench.act(TEAM, bench.on_stage, dict(TEAM.acts[0]))

        check(bench, bench.snapshot(bench.on_stage), point)
        assert bench.asked == 4, point  # the model is not asked again for a conflict


def test_conflict_passes_these_points(bench: Bench) -> None:
    bench.raise_curtain(TEAM, strike=AFTER_REPLY, how="stop")
    bench.then = lambda: other_edits(bench)

    bench.act(TEAM, bench.on_stage, dict(TEAM.acts[0]))

    passed = bench.jobs[0].said("reach")
    assert " ".join(passed[AFTER_REPLY[1] :][: len(CONFLICT.split())]) == CONFLICT
    check(bench, bench.snapshot(bench.on_stage), "peace")


@pytest.mark.parametrize("how", ["kill", "cut"])
@pytest.mark.parametrize("place", range(1, 1 + len(CONFLICT.split())))
def test_worker_that_is_struck_while_it_settles_a_conflict_loses_no_edit(
    bench: Bench, place: int, how: str
) -> None:
    bench.raise_curtain(TEAM, strike=AFTER_REPLY, how="stop")
    bench.then = lambda: other_edits(bench)
    second = {"then_die_at": place, "then_how": how}

    bench.act(TEAM, bench.on_stage, {**TEAM.acts[0], **second, "key": "key"})

    assert bench.jobs[0].status == (-9 if how == "kill" else 0)
    check(bench, bench.snapshot(bench.on_stage), (how, place))


def calling(label: str, text: str) -> Reply:
    arguments = f'{{"label":"{label}","new_string":"{text}"}}'
    call = ToolCall(tool_call_id="call-1", name="memory_insert", arguments=arguments)
    return Reply(parts=(call,), finish="tool_calls")


DONE = Reply(parts=(Text(text="noted"),), finish="stop")


def two_agents(database: Database, admin: psycopg.Connection) -> tuple[list[str], str]:
    team = a_block(admin, "team", "start")
    agents = [an_agent(database.admin_uri) for _ in range(2)]
    for agent_id in agents:
        attach_block(admin, agent_id, team, "team")
    return agents, team


def test_worker_that_falls_asleep_holding_a_block_keeps_others_waiting_a_bounded_time(
    database: Database, bench: Bench
) -> None:
    import psycopg  # noqa: PLC0415  for its type above

    with psycopg.connect(database.admin_uri, autocommit=True) as admin:
        agents, team = two_agents(database, admin)
    other = World.over(database.app_uri, [calling("team", "by 1"), DONE, calling("team", "again")])
    asleep = threading.Event()
    waited: list[float] = []

    def while_the_other_edits(request: Request) -> Reply:
        other.say(agents[1], "note it")
        return calling("team", "by 0")

    def sleep_in_the_lock(point: Point) -> None:
        if point is Point.BLOCKS_LOCKED and not asleep.is_set():
            asleep.set()
            time.sleep(1.0)

    connections = OneConnection(database.app_uri)
    sleeper = World.over(
        database.app_uri,
        [while_the_other_edits, DONE],
        reach=sleep_in_the_lock,
        store=PostgresStore(Queries(connections), hold_ms=200),
    )

    def edit_again() -> None:
        asleep.wait()
        began = time.monotonic()
        other.say(agents[1], "note it again")
        waited.append(time.monotonic() - began)

    editor = threading.Thread(target=edit_again)
    editor.start()
    events = sleeper.say(agents[0], "note it")
    editor.join()

    assert ended(events).stop_reason == "end_turn"
    assert waited[0] < 0.9
    text = value(database.admin_uri, "select value from remanence.blocks where id = %s", team)
    assert sorted(text.split("\n")) == ["again", "by 0", "by 1", "start"]
    assert len(sleeper.scripted.requests) == 2
    for source in (connections, sleeper, other):
        source.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_answer_that_is_lost_while_a_conflict_is_settled_loses_no_edit(
    database: Database, when: When, lost: int
) -> None:
    """The statements are begin, lock, commit, commit: in two round trips, two by two."""
    import psycopg  # noqa: PLC0415  for its type above

    with psycopg.connect(database.admin_uri, autocommit=True) as admin:
        agents, team = two_agents(database, admin)
    other = World.over(database.app_uri, [calling("team", "by 1"), DONE])
    proxy = LossyProxy(database.app_uri)

    def while_the_other_edits(request: Request) -> Reply:
        other.say(agents[1], "note it")
        proxy.arm(1 + lost, when)  # after the first commit, which is refused
        return calling("team", "by 0")

    world = World.over(proxy.uri, [while_the_other_edits, DONE])

    events = world.say(agents[0], "note it")

    assert proxy.broken is not None
    assert ended(events).stop_reason == "end_turn"
    text = value(database.admin_uri, "select value from remanence.blocks where id = %s", team)
    assert text.split("\n") == ["start", "by 1", "by 0"]
    seen = next(turn for turn in world.scripted.requests[1].turns if turn.role == "tool")
    assert [json.loads(part.text)["message"] for part in seen.parts] == ["start\nby 1\nby 0"]
    for source in (world, other, proxy):
        source.close()
