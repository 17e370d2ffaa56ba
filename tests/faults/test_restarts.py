"""Postgres and the pooler are restarted, and killed, while agents talk."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
from support.bouncer import Bouncer, pgbouncer_program
from support.pg import Databases
from support.world import World, an_agent, an_order, history, value

from remanence.core.events import RunEnded
from remanence.core.exchange import Reply, Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.errors import AgentBusy, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.pg import Database

    from remanence.core.exchange import Request

MESSAGES = 6


@pytest.fixture(scope="module")
def own() -> Generator[tuple[Databases, Database]]:
    """A server for this file alone: the session's would not survive it."""
    with Databases.started() as databases:
        database = databases.clone()
        # What the test profile leaves out: a commit that was answered is in the log.
        databases.run_as_admin(f'alter database "{database.name}" set synchronous_commit = on')
        yield databases, database


def stop_and_start(databases: Databases) -> None:
    databases.pg.stop()
    databases.pg.start()


def kill_and_start(databases: Databases) -> None:
    """Every process of the server dies at once, as when its machine does."""
    with psycopg.connect(databases.pg.uri("remanence_admin", "postgres")) as conn:
        backends = [row[0] for row in conn.execute("select pid from pg_stat_activity").fetchall()]
    postmaster = databases.pg._server_pid()
    for pid in [postmaster, *backends]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while databases.pg.is_running:
        time.sleep(0.01)
    databases.pg.start()


def talk(world: World, agent_id: str, number: int) -> str:
    """A client that sends its message again, with the same key, until it is answered."""
    order = an_order(
        agent_id, f"message {number}", idempotency_key=f"{number}", request_hash=f"{number}"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            events = list(world.engine.start(DEFAULT_ORG_ID, order, stream=False))
        except (StoreUnavailable, AgentBusy):
            time.sleep(0.05)
            continue
        last = events[-1]
        if isinstance(last, RunEnded) and last.error is None:
            return str(last.stop_reason)
        time.sleep(0.05)
    raise TimeoutError


def check(database: Database, agent_id: str, world: World) -> None:
    assert history(database.admin_uri, agent_id) == [
        said
        for number in range(MESSAGES)
        for said in (("user", f"message {number}"), ("assistant", f"answer {number}"))
    ]
    assert len(world.scripted.requests) == MESSAGES  # no reply was lost, none was paid twice
    assert (
        value(
            database.admin_uri,
            "select count(*) from remanence.runs where agent_id = %s and status <> 'completed'",
            agent_id,
        )
        == 0
    )


def answering(number: int, while_it_thinks: Callable[[], None] | None) -> object:
    def reply(request: Request) -> Reply:
        if while_it_thinks is not None:
            while_it_thinks()
        return Reply(parts=(Text(text=f"answer {number}"),), finish="stop")

    return reply


@pytest.mark.parametrize("restart", [stop_and_start, kill_and_start])
def test_restart_of_postgres_in_the_middle_of_a_model_call_loses_nothing(
    own: tuple[Databases, Database], restart: Callable[[Databases], None]
) -> None:
    databases, database = own
    agent_id = an_agent(database.admin_uri)
    threads: list[threading.Thread] = []

    def begin() -> None:
        """The server is away when the reply is there, and comes back while the commit waits."""
        thread = threading.Thread(target=restart, args=(databases,))
        thread.start()
        threads.append(thread)
        while databases.pg.is_running and thread.is_alive():
            time.sleep(0.002)

    world = World.over(
        database.app_uri,
        [answering(n, begin if n in (1, 4) else None) for n in range(MESSAGES)],
    )

    said = [talk(world, agent_id, number) for number in range(MESSAGES)]

    for thread in threads:
        thread.join()
    assert said == ["end_turn"] * MESSAGES
    check(database, agent_id, world)
    world.close()


def test_restart_of_the_pooler_at_any_time_loses_nothing(
    own: tuple[Databases, Database],
) -> None:
    program = pgbouncer_program()
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    databases, database = own
    agent_id = an_agent(database.admin_uri)
    with ExitStack() as running:
        bouncer = running.enter_context(Bouncer.started(program, databases.pg))

        def restart() -> None:
            running.close()
            running.enter_context(Bouncer.started(program, databases.pg, port=bouncer.port))

        world = World.over(
            bouncer.uri(database.app_uri),
            [answering(n, restart if n in (1, 4) else None) for n in range(MESSAGES)],
        )

        for number in range(MESSAGES):
            assert talk(world, agent_id, number) == "end_turn"
            if number == 2:
                restart()

        check(database, agent_id, world)
        world.close()
