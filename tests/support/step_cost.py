"""What a step costs, beside the least it could: a begin and a commit written by hand.

    cd tests && python -m support.step_cost [STEPS]        (2,000 by default; about a minute)

starts a durable Postgres of its own and prints, for one hot conversation and for 1,000, with a
model that answers at once: steps per second, CPU of the client and of the Postgres backend per
step, and bytes of write-ahead log per step. A step here is a message and its answer: one
`start_run` and one `commit_step`. The floor (support/floor.sql) claims, stores the same message,
reads the same agent, blocks, tools and window, and commits a message and a step; "kept" is the
floor with the search words and the list indexes that the product keeps besides.
Run it on a quiet machine; CPU and bytes are nearly independent of load, steps per second are not.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from support.meter import Cost, Meter, durable_postgres
from support.world import World, an_agent, an_order, value

from remanence.core.exchange import Reply, Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.llm.models import Models
from remanence.local.cluster import ADMIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remanence.core.exchange import Delta, ModelInfo, Request
    from remanence.local.postgres import EmbeddedPostgres

SAID = "I like my tea with milk, and I will be in Lisbon until the end of the month. " * 2
ANSWER = Reply(
    parts=(Text(text="Noted: tea with milk, Lisbon until the end of the month. " * 2),),
    finish="stop",
)  # without usage: the window is measured by what is estimated, so that it is cut in time
TOOLS = ("memory_insert", "memory_replace", "conversation_search", "archival_memory_search")
BLOCKS = {"human": "Ada likes tea. " * 20, "persona": "I am a helpful memory. " * 20}
# Messages in the window when the measuring begins: it is cut at about 2 000 tokens of history.
WARM_UP = 40


@dataclass(frozen=True)
class Figures:
    """All sides, in the same run on the same server."""

    ours: Cost
    bare: Cost
    kept: Cost

    def ratio(self, floor: Cost) -> float:
        """CPU in Postgres per step, ours over a floor's."""
        return (self.ours.backend_s / self.ours.count) / (floor.backend_s / floor.count)


class Instant:
    """A model that answers at once, and keeps nothing."""

    def model_infos(self) -> Sequence[ModelInfo]:
        return ()

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        yield ANSWER


def a_worker(uri: str) -> World:
    models = Models((), in_process={"scripted": Instant()}, default_handle="scripted/model")
    return World.over(uri, models=models)


def agents_of(admin_uri: str, count: int) -> list[str]:
    """One made in full, the others copied: a thousand by hand would take a minute."""
    first = an_agent(admin_uri, blocks=BLOCKS, tools=TOOLS, context_window_limit=4_000)
    with psycopg.connect(admin_uri, autocommit=True) as conn:
        rows = conn.execute(_COPIES, {"first": first, "count": count - 1}).fetchall()
    return [first, *(row[0] for row in rows)]


_COPIES = """
with fresh as (
    select 'agent-' || gen_random_uuid() as id from generate_series(1, %(count)s)),
agent as (
    insert into remanence.agents (id, org_id, name, agent_type, system, model, context_window_limit)
    select fresh.id, org_id, name, agent_type, system, model, context_window_limit
    from fresh, remanence.agents as first where first.id = %(first)s returning id, org_id),
talk as (
    insert into remanence.conversations (id, org_id, agent_id, is_default)
    select 'conv-' || gen_random_uuid(), org_id, id, true from agent),
tooled as (
    insert into remanence.agents_tools (org_id, agent_id, tool_id, position)
    select link.org_id, fresh.id, link.tool_id, link.position
    from fresh, remanence.agents_tools as link where link.agent_id = %(first)s),
copied as (
    select fresh.id as agent_id, link.label, link.position, link.org_id, old.value, old."limit",
        'block-' || gen_random_uuid() as block_id
    from fresh, remanence.agents_blocks as link
    join remanence.blocks as old on old.id = link.block_id where link.agent_id = %(first)s),
block as (
    insert into remanence.blocks (id, org_id, label, value, "limit")
    select block_id, org_id, label, value, "limit" from copied),
blocked as (
    insert into remanence.agents_blocks (org_id, agent_id, block_id, label, position)
    select org_id, agent_id, block_id, label, position from copied)
select id from agent
"""


def step_all(uri: str, admin_uri: str, agents: Sequence[str], steps: int) -> Cost:
    """Take `steps` steps, one conversation after the other, on one connection."""
    world = a_worker(uri)
    with psycopg.connect(admin_uri, autocommit=True) as admin:
        backend = world.connections.run(lambda conn: conn.info.backend_pid)
        for number in range(WARM_UP if len(agents) == 1 else len(agents)):
            one_step(world, agents[number % len(agents)])
        meter = Meter(admin, [backend])
        for number in range(steps):
            one_step(world, agents[number % len(agents)])
        cost = meter.cost(steps)
    world.close()
    return cost


def one_step(world: World, agent_id: str) -> None:
    for _ in world.engine.start(DEFAULT_ORG_ID, an_order(agent_id, SAID), stream=False):
        pass


def floor_all(
    uri: str, admin_uri: str, agents: Sequence[str], steps: int, *, extras: str = ""
) -> Cost:
    """The same number of hand-written steps, on the same agents."""
    with psycopg.connect(admin_uri, autocommit=True) as admin:
        if admin.execute("select to_regnamespace('floor')").fetchone() != (None,):
            admin.execute("drop schema floor cascade")
        admin.execute(Path(__file__).with_name("floor.sql").read_bytes())
        _WINDOW.clear()
        admin.execute(_FLOOR_COPY, {"agents": [*agents]})
        admin.execute(extras.encode())
        admin.execute("grant usage on schema floor to public")
        admin.execute("grant all on all tables in schema floor to public")
        admin.execute("analyze floor.conversations, floor.messages, floor.steps, floor.parts")
        with psycopg.connect(uri, autocommit=True, prepare_threshold=None) as conn:
            for number in range(len(agents)):
                floor_step(conn, agents[number % len(agents)])
            meter = Meter(admin, [conn.info.backend_pid])
            for number in range(steps):
                floor_step(conn, agents[number % len(agents)])
            return meter.cost(steps)


# What the product keeps for searches and lists: search words, and who wrote what and when.
KEPT = """
alter table floor.messages add column agent_id text not null default 'agent';
alter table floor.messages add column run_id text;
alter table floor.messages add column lexemes tsvector
    generated always as (remanence.lexemes(remanence.said(role, parts))) stored;
create index on floor.messages (agent_id, created_at, id);
create index on floor.messages (run_id, seq);
create index on floor.runs (conversation_id, created_at, id);
create index on floor.runs (created_at, id);
create index on floor.runs (conversation_id) where status = 'running';
create index on floor.steps (conversation_id, created_at);
create index on floor.steps (created_at);
"""
_FLOOR_COPY = """
with agent as (
    insert into floor.agents select id, to_jsonb(agent) from remanence.agents as agent
    where id = any(%(agents)s)),
block as (
    insert into floor.parts
    select link.agent_id, 'block', link.position, to_jsonb(block)
    from remanence.agents_blocks as link join remanence.blocks as block on block.id = link.block_id
    where link.agent_id = any(%(agents)s)),
tool as (
    insert into floor.parts
    select link.agent_id, 'tool', link.position, to_jsonb(tool) - 'source_code'
    from remanence.agents_tools as link join remanence.tools as tool on tool.id = link.tool_id
    where link.agent_id = any(%(agents)s)),
message as (
    insert into floor.messages (conversation_id, seq, id, role, parts)
    select msg.agent_id, msg.seq, msg.id, msg.role, msg.parts
    from remanence.messages as msg where msg.agent_id = any(%(agents)s))
insert into floor.conversations (id, next_seq)
select agent_id, next_seq from remanence.conversations where agent_id = any(%(agents)s)
"""
_WINDOW: dict[str, int] = {}


def floor_step(conn: psycopg.Connection, agent_id: str) -> None:
    token = uuid.uuid4().hex
    run_id = f"run-{uuid.uuid4()}"
    begin = {
        "run_id": run_id,
        "id": agent_id,
        "agent_id": agent_id,
        "token": token,
        "message_id": f"message-{uuid.uuid4()}",
        "parts": [{"type": "text", "text": SAID}],
        "from_seq": _WINDOW.get(agent_id, 1),
    }
    row = conn.execute("select floor.step_begin(%s::jsonb)", [json.dumps(begin)]).fetchone()
    assert row is not None
    window = row[0]["window"]
    if len(window) > 30:  # as ours: the older half leaves
        _WINDOW[agent_id] = window[len(window) // 2]["seq"]
    commit = {
        "run_id": run_id,
        "id": agent_id,
        "token": token,
        "message_id": f"message-{uuid.uuid4()}",
        "parts": [{"type": "text", "text": ANSWER.text}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 30},
    }
    conn.execute("select floor.step_commit(%s::jsonb)", [json.dumps(commit)])


def measure(pg: EmbeddedPostgres, *, conversations: int, steps: int) -> Figures:
    """Ours and the floors, one after the other."""
    admin_uri = pg.uri(ADMIN)
    agents = agents_of(admin_uri, conversations)
    ours = step_all(pg.app_uri, admin_uri, agents, steps)
    bare = floor_all(pg.app_uri, admin_uri, agents, steps)
    return Figures(ours, bare, floor_all(pg.app_uri, admin_uri, agents, steps, extras=KEPT))


def in_processes(pg: EmbeddedPostgres, *, conversations: int, steps: int, workers: int) -> float:
    """Steps per second of several processes together."""
    agents = agents_of(pg.uri(ADMIN), conversations)
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(workers + 1), context.Barrier(workers + 1)
    processes = [
        context.Process(
            target=_work, args=(pg.app_uri, agents[n::workers], steps // workers, ready, go)
        )
        for n in range(workers)
    ]
    for process in processes:
        process.start()
    ready.wait()
    began = time.perf_counter()
    go.wait()
    for process in processes:
        process.join()
    return steps / (time.perf_counter() - began)


def _work(uri: str, agents: Sequence[str], steps: int, ready: Any, go: Any) -> None:
    world = a_worker(uri)
    for agent_id in agents:
        one_step(world, agent_id)
    ready.wait()
    go.wait()
    for number in range(steps):
        one_step(world, agents[number % len(agents)])
    world.close()


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    with durable_postgres() as pg:
        for conversations in (1, 1_000):
            figures = measure(pg, conversations=conversations, steps=steps)
            print(f"{conversations} conversation(s), one process, window of about 20 messages")
            print(f"  ours          {figures.ours}")
            for name, floor in (("bare", figures.bare), ("kept", figures.kept)):
                ratio = figures.ratio(floor)
                print(f"  floor, {name}   {floor}   ours has {ratio:.2f} of its CPU", flush=True)
        for workers in (1, 2, 4):
            rate = in_processes(pg, conversations=1_000, steps=steps, workers=workers)
            print(f"1000 conversations, {workers} processes: {rate:.0f} steps/s", flush=True)
        size = value(pg.uri(ADMIN), "select pg_size_pretty(pg_database_size(current_database()))")
        print(f"database afterwards: {size}")


if __name__ == "__main__":
    main()
