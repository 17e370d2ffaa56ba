"""Many runs at once, all of them editing one shared block, with a figure for what it costs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
from support.world import World, a_block, an_agent, attach_block, ended, value

from remanence.core.exchange import Reply, Text, ToolCall
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.store import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.exchange import Request


@dataclass
class Report:
    """What a crowd did. Times in seconds."""

    runs: int
    took_s: float
    model_s: float
    stop_reasons: dict[str, int]
    lines: list[str]
    versions: int
    commits: int
    waits_s: list[float] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return 2 * self.runs

    def __str__(self) -> str:
        waits = [1000 * wait_s for wait_s in sorted(self.waits_s)]
        return (
            f"{self.runs} runs, {self.steps} steps in {self.took_s:.2f} s (the model alone"
            f" {self.model_s:.2f} s): {self.steps / self.took_s:.0f} steps/s;"
            f" {self.commits} commits sent for {self.steps} steps;"
            f" a step waited for its commit {waits[len(waits) // 2]:.0f} ms (median),"
            f" {waits[len(waits) * 95 // 100]:.0f} ms (95 %), {waits[-1]:.0f} ms (most)"
        )


class Timed(PostgresStore):
    """Notes how long a step waits for its commit, conflicts included."""

    def __init__(self, queries: Queries) -> None:
        super().__init__(queries)
        self.commits = 0
        self.began: dict[int, float] = {}
        self.ended: dict[int, float] = {}

    def commit_step(self, state: Any, outcome: Any, **kwargs: Any) -> Any:
        return self._time(state, partial(super().commit_step, state, outcome, **kwargs))

    def commit_step_alone(self, state: Any, make: Any, **kwargs: Any) -> Any:
        return self._time(state, partial(super().commit_step_alone, state, make, **kwargs))

    def _time(self, state: Any, commit: Callable[[], Any]) -> Any:
        self.commits += 1
        self.began.setdefault(state.step_no, time.monotonic())
        committed = commit()
        self.ended[state.step_no] = time.monotonic()
        return committed


def all_edit_one_block(uri: str, admin_uri: str, *, runs: int, latency_s: float) -> Report:
    """One agent and one connection per run; every run notes a line in the block of all."""
    with psycopg.connect(admin_uri, autocommit=True) as conn:
        team = a_block(conn, "team", "start", limit=100 * runs + 100)
        agents = [an_agent(admin_uri, tools=("memory_insert",)) for _ in range(runs)]
        for agent_id in agents:
            attach_block(conn, agent_id, team, "team")
    worlds = [_world(uri, number, latency_s) for number in range(runs)]
    reasons: list[str] = []
    ready = threading.Barrier(runs + 1)

    def one(number: int) -> None:
        world = worlds[number]
        world.connections.run(lambda conn: conn.execute("select 1").fetchone())
        ready.wait()
        reasons.append(str(ended(world.say(agents[number], "note it")).stop_reason))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(runs)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - began
    stores = [world.deps.store for world in worlds]
    for world in worlds:
        world.close()
    text = value(admin_uri, "select value from remanence.blocks where id = %s", team)
    version = value(admin_uri, "select version from remanence.blocks where id = %s", team)
    return Report(
        runs=runs,
        took_s=took_s,
        model_s=2 * latency_s,
        stop_reasons={reason: reasons.count(reason) for reason in sorted({*reasons})},
        lines=text.split("\n"),
        versions=version,
        commits=sum(store.commits for store in stores),
        waits_s=[
            store.ended[step_no] - began
            for store in stores
            for step_no, began in store.began.items()
        ],
    )


def _world(uri: str, number: int, latency_s: float) -> World:
    def note(request: Request) -> Reply:
        time.sleep(latency_s)
        arguments = f'{{"label":"team","new_string":"line {number}"}}'
        call = ToolCall(tool_call_id=f"call-{number}", name="memory_insert", arguments=arguments)
        return Reply(parts=(call,), finish="tool_calls")

    def done(request: Request) -> Reply:
        time.sleep(latency_s)
        return Reply(parts=(Text(text="noted"),), finish="stop")

    connections = OneConnection(uri)
    world = World.over(uri, [note, done], store=Timed(Queries(connections)))
    world.connections = connections
    return world
