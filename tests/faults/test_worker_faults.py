"""What goes wrong inside a worker that lives on: bugs, a database that refuses or goes away."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import World, an_agent, an_order, ended, history, new_id, value

from remanence.core.exchange import Reply, Text, TextDelta, ToolCall
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.store import PostgresStore
from remanence.engine.points import Point
from remanence.engine.step import MAX_CLAIMS
from remanence.engine.sweep import sweep
from remanence.errors import StoreError, StoreUnavailable
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from support.pg import Database

    from remanence.core.exchange import Delta, Request

STEP_POINTS = [
    Point.BEFORE_CLAIM,
    Point.AFTER_CLAIM,
    Point.BEFORE_MODEL,
    Point.IN_REPLY,
    Point.AFTER_REPLY,
    Point.BEFORE_COMMIT,
    Point.AFTER_COMMIT,
]


def saying(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


def calling(name: str, arguments: str) -> Reply:
    call = ToolCall(tool_call_id="call-1", name=name, arguments=arguments)
    return Reply(parts=(call,), finish="tool_calls")


@pytest.fixture
def worlds() -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def a_world(worlds: list[World], database: Database, *steps: Any, **changes: Any) -> World:
    world = World.over(database.app_uri, steps, **changes)
    worlds.append(world)
    return world


def conversation_of(database: Database, agent_id: str) -> str:
    return str(
        value(
            database.admin_uri,
            "select id from remanence.conversations where agent_id = %s",
            agent_id,
        )
    )


def time_passes(database: Database, agent_id: str) -> None:
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.conversations set lease_until = clock_timestamp() - interval '1 s'"
            " where agent_id = %s and lease_until is not null",
            [agent_id],
        )


def statuses(database: Database, agent_id: str) -> list[str]:
    found: list[str] = value(
        database.admin_uri,
        "select array_agg(status order by ord) from remanence.runs where agent_id = %s",
        agent_id,
    )
    return found


@pytest.mark.parametrize("point", STEP_POINTS)
def test_fault_of_ours_at_any_point_ends_the_run_and_the_next_message_is_answered(
    database: Database, worlds: list[World], point: Point
) -> None:
    agent_id = an_agent(database.admin_uri)
    hits: list[Point] = []

    def fault(reached: Point) -> None:
        if reached == point:
            hits.append(reached)
            if len(hits) == 1:
                raise ZeroDivisionError

    world = a_world(worlds, database, *(saying(f"answer {n}") for n in range(5)), reach=fault)
    order = an_order(agent_id, "first", idempotency_key="key", request_hash="key")
    try:
        list(world.engine.start(DEFAULT_ORG_ID, order, stream=False))
    except ZeroDivisionError:
        time_passes(database, agent_id)
        world.engine.advance(
            DEFAULT_ORG_ID, conversation_of(database, agent_id), deadline=time.monotonic() + 60
        )
    list(world.engine.start(DEFAULT_ORG_ID, order, stream=False))

    events = world.say(agent_id, "second")

    assert ended(events).stop_reason == "end_turn"
    assert statuses(database, agent_id) in (["completed", "completed"], ["failed", "completed"])
    assert [text for role, text in history(database.admin_uri, agent_id) if role == "user"] == [
        "first",
        "second",
    ]


def test_fault_while_a_reply_is_applied_fails_the_run_at_once(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, tools=("archival_memory_insert",))

    def no_passages(kind: str) -> str:
        return str(1 // 0) if kind == "passage" else new_id(kind)

    world = a_world(
        worlds,
        database,
        calling("archival_memory_insert", '{"content": "tea"}'),
        new_id=no_passages,
    )

    events = world.say(agent_id, "keep it")

    assert ended(events).stop_reason == "error"
    assert statuses(database, agent_id) == ["failed"]


@pytest.mark.parametrize(
    ("said", "kept"),
    [("a\0b", "ab"), ("a\ud83db", "a\ufffdb"), ("emoji \U0001f600 fine", "emoji \U0001f600 fine")],
    ids=["NUL", "half a surrogate pair", "emoji"],
)
def test_reply_with_characters_that_postgres_refuses_is_stored_without_them(
    database: Database, worlds: list[World], said: str, kept: str
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": ""})
    arguments = '{"label":"human","new_string":' + _json(said) + "}"
    world = a_world(worlds, database, calling("memory_insert", arguments), saying(said))

    events = world.say(agent_id, "say it")

    assert ended(events).stop_reason == "end_turn"
    assert history(database.admin_uri, agent_id)[-1] == ("assistant", kept)


def _json(text: str) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in text) + '"'


class Refusing(PostgresStore):
    """A store whose database refuses the first commit for a reason that a retry does not cure."""

    def __init__(self, uri: str, error: Callable[[], StoreError], times: int) -> None:
        self.connections = OneConnection(uri)
        self._error, self._times = error, times
        self.tried: list[float] = []
        super().__init__(Queries(self.connections))

    def commit_step(self, *args: Any, **kwargs: Any) -> Any:
        self.tried.append(time.monotonic())
        if len(self.tried) <= self._times:
            raise self._error()
        return super().commit_step(*args, **kwargs)


def test_step_that_the_database_refuses_fails_its_run_at_once(
    database: Database, worlds: list[World]
) -> None:
    """Taken again it would be refused again: five model calls later the run would fail as well."""
    agent_id = an_agent(database.admin_uri)
    store = Refusing(database.app_uri, lambda: StoreError("the database refused (22P05)"), 1)
    world = a_world(worlds, database, saying("unstorable"), store=store)

    events = world.say(agent_id, "say it")

    assert ended(events).stop_reason == "error"
    assert ended(events).error is not None
    assert statuses(database, agent_id) == ["failed"]
    assert history(database.admin_uri, agent_id) == [("user", "say it")]
    store.connections.close()


def test_commit_is_tried_again_while_the_database_is_away_and_the_lease_lasts(
    database: Database, worlds: list[World]
) -> None:
    """A reply in hand is paid for: it is not thrown away because a server restarts."""
    agent_id = an_agent(database.admin_uri)
    store = Refusing(database.app_uri, lambda: StoreUnavailable("no connection"), 4)
    world = a_world(worlds, database, saying("kept"), store=store)

    events = world.say(agent_id, "say it")

    assert ended(events).stop_reason == "end_turn"
    assert history(database.admin_uri, agent_id)[-1] == ("assistant", "kept")
    assert len(world.scripted.requests) == 1
    store.connections.close()


def test_commit_is_given_up_when_the_step_has_no_time_left(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    store = Refusing(database.app_uri, lambda: StoreUnavailable("no connection"), 1000)
    world = a_world(worlds, database, saying("lost"), store=store, step_limit_s=0.5)

    began = time.monotonic()
    events = world.say(agent_id, "say it")

    assert time.monotonic() - began < 5
    assert ended(events).error is not None
    assert ended(events).error.type == StoreUnavailable.code  # type: ignore[union-attr]
    assert statuses(database, agent_id) == ["running"]
    store.connections.close()


def test_look_for_a_cancellation_that_fails_does_not_end_the_model_call(
    database: Database, worlds: list[World]
) -> None:
    class Blind(PostgresStore):
        looks = 0

        def is_cancelled(self, org_id: str, run_id: str) -> bool:
            Blind.looks += 1
            raise StoreUnavailable("no connection")

    class Slow(ScriptedLlm):
        def call(
            self, request: Request, *, stream: bool, deadline: float
        ) -> Iterator[Delta | Reply]:
            for _ in range(5):
                time.sleep(0.3)
                yield TextDelta(text="word ")
            yield saying("all of it")

    agent_id = an_agent(database.admin_uri)
    models = Models((), in_process={"scripted": Slow()}, default_handle="scripted/model")
    with closing(OneConnection(database.app_uri)) as connections:
        store = Blind(Queries(connections))
        world = a_world(worlds, database, store=store, models=models, cancel_look_s=0.5)

        events = world.say(agent_id, "say it")

    assert Blind.looks > 0
    assert ended(events).stop_reason == "end_turn"


def test_step_that_kills_every_worker_fails_its_run_and_frees_the_conversation(
    database: Database, worlds: list[World]
) -> None:
    class Dead(BaseException):
        pass

    def poisoned(request: Request) -> Reply:
        raise Dead

    agent_id = an_agent(database.admin_uri)
    for text in ("poison", "behind it"):
        a_world(worlds, database).engine.enqueue(
            DEFAULT_ORG_ID, an_order(agent_id, text, background=True)
        )
    conversation_id = conversation_of(database, agent_id)
    for _ in range(MAX_CLAIMS):
        with pytest.raises(Dead):
            a_world(worlds, database, poisoned).engine.advance(
                DEFAULT_ORG_ID, conversation_id, deadline=time.monotonic() + 60
            )
        time_passes(database, agent_id)
    alive = a_world(worlds, database, saying("here I am"))

    for _ in range(2):
        alive.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=time.monotonic() + 60)

    assert statuses(database, agent_id) == ["failed", "completed"]
    assert history(database.admin_uri, agent_id)[-1] == ("assistant", "here I am")
    assert (
        value(
            database.admin_uri,
            "select error ->> 'type' from remanence.runs where agent_id = %s and status = 'failed'",
            agent_id,
        )
        == "poisoned_step"
    )


def test_step_that_was_begun_too_often_is_given_up_without_loading_its_window(
    database: Database, worlds: list[World]
) -> None:
    """What kills the workers may be the size of what they load."""
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("ok"), saying("ok"))
    world.say(agent_id, "hello")
    world.engine.enqueue(DEFAULT_ORG_ID, an_order(agent_id, "poison", background=True))
    conversation_id = conversation_of(database, agent_id)
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.conversations set claims = %s where id = %s",
            [MAX_CLAIMS, conversation_id],
        )

    claimed = world.deps.store.begin_step(
        DEFAULT_ORG_ID, conversation_id, lease_token="t", lease_ms=0
    )

    assert claimed.state.window == ()  # type: ignore[union-attr]
    world.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=time.monotonic() + 60)
    assert statuses(database, agent_id) == ["completed", "failed"]


def test_sweep_rings_for_a_run_whose_worker_is_gone_and_for_none_that_is_held(
    fresh_database: Database, worlds: list[World]
) -> None:
    database = fresh_database
    dead, held = an_agent(database.admin_uri), an_agent(database.admin_uri)
    world = a_world(worlds, database)
    for agent_id, lease_ms in ((dead, 0), (held, 60_000)):
        world.deps.store.start_run(
            DEFAULT_ORG_ID,
            an_order(agent_id, "hi"),
            run_id=new_id("run"),
            lease_token="t",
            lease_ms=lease_ms,
        )
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("update remanence.runs set created_at = created_at - interval '1 min'")

    sweep(world.deps, share=0.7, deadline=time.monotonic() + 60)

    assert world.bells.rung == [conversation_of(database, dead)]
