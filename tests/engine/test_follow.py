"""Following runs: when their workers die, are too slow or are replaced, and when things vanish."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import World, an_agent, an_order, ended, history, new_id, stored

from remanence.core.events import RunEnded, RunHandedOver, RunStarted, StepStored, Waiting
from remanence.core.exchange import Reply, Text, ToolCall, Usage
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.errors import NotFound, RunGone, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

    from remanence.core.exchange import Request


def saying(text: str) -> Reply:
    usage = Usage(prompt_tokens=100, completion_tokens=5)
    return Reply(parts=(Text(text=text),), finish="stop", usage=usage)


def noting(text: str, call_id: str) -> Reply:
    arguments = f'{{"label":"human","new_string":"{text}"}}'
    call = ToolCall(tool_call_id=call_id, name="memory_insert", arguments=arguments)
    return Reply(parts=(call,), finish="tool_calls", usage=Usage(prompt_tokens=100))


@pytest.fixture
def worlds(database: Database) -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def a_world(worlds: list[World], database: Database, *steps: object, **changes: object) -> World:
    world = World.over(database.app_uri, steps, **changes)
    worlds.append(world)
    return world


def test_caller_stays_with_a_run_that_another_worker_ends(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})
    second = a_world(worlds, database, noting("two", "call-2"), saying("done"))

    class Passing:
        """Hands each bell to the other worker, as a queue does."""

        def ring(self, org_id: Any, conversation_id: str, run_id: str) -> None:
            def answer() -> None:
                while second.engine.advance(org_id, conversation_id, deadline=float("inf")):
                    pass

            threading.Thread(target=answer).start()

    first = a_world(worlds, database, noting("one", "call-1"), dispatcher=Passing())
    time_for_one_step = first.deps.monotonic() + first.deps.step_limit_s / 2

    events = list(
        first.engine.attend(
            DEFAULT_ORG_ID, an_order(agent_id, "hi"), stream=False, deadline=time_for_one_step
        )
    )

    assert ended(events).stop_reason == "end_turn"
    assert ended(events).step_count == 3
    assert [message.role for message in stored(events)] == [
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert sum(isinstance(event, RunStarted) for event in events) == 1


def test_caller_stays_with_a_run_whose_lease_its_worker_lost(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    other = a_world(worlds, database, saying("by the other"))

    def too_slowly(request: Request) -> Reply:
        with psycopg.connect(database.admin_uri, autocommit=True) as conn:
            row = conn.execute(
                "update remanence.conversations set lease_until = now() - interval '1 s'"
                " where agent_id = %s returning id",
                [agent_id],
            ).fetchone()
        assert row is not None
        other.engine.advance(DEFAULT_ORG_ID, row[0], deadline=float("inf"))
        return saying("too late")

    world = a_world(worlds, database, too_slowly)

    events = list(world.engine.attend(DEFAULT_ORG_ID, an_order(agent_id, "hello"), stream=False))

    assert ended(events).error is None
    assert [message.parts for message in stored(events)] == [(Text(text="by the other"),)]
    assert history(database.admin_uri, agent_id) == [
        ("user", "hello"),
        ("assistant", "by the other"),
    ]


def test_caller_who_leaves_does_not_stop_what_its_worker_began(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("all the same"))
    events = world.engine.attend(DEFAULT_ORG_ID, an_order(agent_id, "hello"), stream=True)
    next(events)

    events.close()

    assert history(database.admin_uri, agent_id)[-1] == ("assistant", "all the same")


def test_background_run_begins_at_once_and_queues_when_the_agent_is_busy(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("one"), saying("two"))

    def an_attended(text: str) -> Any:
        return replace(an_order(agent_id, text, background=True), is_streamed=True)

    first = world.engine.attend(DEFAULT_ORG_ID, an_attended("1"), stream=False)
    started = next(first)
    second = world.engine.attend(DEFAULT_ORG_ID, an_attended("2"), stream=False)
    queued = next(second)

    assert isinstance(started, RunStarted)
    assert isinstance(queued, RunStarted)
    assert next(second) == Waiting()
    assert ended(list(first)).stop_reason == "end_turn"
    world.engine.advance(DEFAULT_ORG_ID, queued.conversation_id, deadline=float("inf"))
    rest = list(second)
    assert [message.parts for message in stored(rest)] == [(Text(text="two"),)]


def test_follower_hands_over_at_its_deadline(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database)
    known = world.engine.enqueue(DEFAULT_ORG_ID, an_order(agent_id, "hello"))

    events = list(
        world.engine.follow(
            DEFAULT_ORG_ID, known.run_id, poll_s=0.01, deadline=world.deps.monotonic() + 0.1
        )
    )

    assert isinstance(events[-1], RunHandedOver)
    assert events[-1].run_id == known.run_id
    assert Waiting() in events


def test_follower_rings_for_a_run_that_hangs_and_not_for_one_that_is_worked_on(
    database: Database, worlds: list[World]
) -> None:
    clock = iter(range(1000))
    agent_id = an_agent(database.admin_uri)
    world = a_world(
        worlds, database, monotonic=lambda: float(next(clock)), sleep=lambda _seconds: None
    )
    known = world.engine.enqueue(DEFAULT_ORG_ID, an_order(agent_id, "hello"))
    rung = len(world.bells.rung)

    looks = world.engine.follow(DEFAULT_ORG_ID, known.run_id)
    for _ in range(20):
        next(looks)
    assert len(world.bells.rung) - rung in (2, 3)

    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.conversations set lease_until = now() + interval '1 min'"
            " where agent_id = %s",
            [agent_id],
        )
    next(looks)
    rung = len(world.bells.rung)
    for _ in range(20):
        next(looks)
    assert len(world.bells.rung) == rung


def test_follower_outlasts_a_database_that_is_away_for_a_moment(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("there"), sleep=lambda _seconds: None)
    known = world.engine.enqueue(DEFAULT_ORG_ID, an_order(agent_id, "hello"))
    store: Any = world.deps.store
    really, missed = store.load_run_progress, iter(range(5))

    def sometimes(*args: Any, **kwargs: Any) -> Any:
        if next(missed, None) is not None:
            raise StoreUnavailable("restarting")
        return really(*args, **kwargs)

    events = world.engine.follow(DEFAULT_ORG_ID, known.run_id)
    next(events)
    next(events)
    store.load_run_progress = sometimes
    for _ in range(5):
        assert next(events) == Waiting()
    world.engine.advance(DEFAULT_ORG_ID, known.conversation_id or "", deadline=float("inf"))

    rest = list(events)
    assert any(isinstance(event, StepStored) for event in rest)
    assert ended(rest).stop_reason == "end_turn"


def test_follower_gives_up_on_a_database_that_stays_away(
    database: Database, worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, sleep=lambda _seconds: None)
    known = world.engine.enqueue(DEFAULT_ORG_ID, an_order(agent_id, "hello"))
    events = world.engine.follow(DEFAULT_ORG_ID, known.run_id)
    next(events)

    def never(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable("gone")

    store: Any = world.deps.store
    store.load_run_progress = never

    with pytest.raises(StoreUnavailable):
        list(events)


def test_follower_of_a_run_whose_agent_is_deleted_is_told(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, sleep=lambda _seconds: None)
    known = world.engine.enqueue(DEFAULT_ORG_ID, an_order(agent_id, "hello"))
    events = world.engine.follow(DEFAULT_ORG_ID, known.run_id)
    next(events)
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("delete from remanence.agents where id = %s", [agent_id])

    last = list(events)[-1]

    assert isinstance(last, RunEnded)
    assert last.error is not None
    assert last.error.type == NotFound.code


def test_run_that_is_unknown_or_whose_messages_were_deleted_is_not_followed(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("soon gone"))
    run_id = ended(world.say(agent_id, "hello")).run_id
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("delete from remanence.messages where agent_id = %s", [agent_id])

    with pytest.raises(RunGone, match="deleted"):
        next(world.engine.follow(DEFAULT_ORG_ID, run_id))
    with pytest.raises(NotFound):
        next(world.engine.follow(DEFAULT_ORG_ID, new_id("run")))
