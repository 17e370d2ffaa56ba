"""An engine over a real Postgres with the scripted model, and agents to run on it."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg

from remanence.core.builtin import BUILTIN_TOOLS
from remanence.core.claims import RunOrder
from remanence.core.events import RunEnded, StepStored
from remanence.core.exchange import Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.types import Message, RunOptions
from remanence.db.connect import OneConnection
from remanence.db.facts import PostgresFacts
from remanence.db.gaps import Gaps
from remanence.db.message_vectors import MessageVectors
from remanence.db.overflow import PostgresOverflow
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.db.spending import Spending
from remanence.db.store import PostgresStore
from remanence.db.vector_memory import VectorMemory
from remanence.engine.deps import EngineDeps
from remanence.engine.run import Engine
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.events import Event


def new_id(kind: str) -> str:
    return f"{kind}-{uuid.uuid4()}"


@dataclass
class Bells:
    """A dispatcher that only remembers who was rung for."""

    rung: list[str] = field(default_factory=list)

    def ring(self, org_id: str, conversation_id: str, run_id: str) -> None:
        self.rung.append(conversation_id)


@dataclass
class World:
    """One worker: its connection, its engine, its scripted model."""

    uri: str
    scripted: ScriptedLlm
    bells: Bells
    connections: OneConnection
    deps: EngineDeps
    engine: Engine

    @classmethod
    def over(cls, uri: str, steps: Sequence[Any] = (), **changes: Any) -> World:
        """A worker that connects through `uri`; `changes` replace fields of its EngineDeps."""
        scripted = ScriptedLlm(steps) if steps else ScriptedLlm()
        connections = OneConnection(uri)
        queries = Queries(connections)
        bells = Bells()
        deps = EngineDeps(
            store=PostgresStore(queries),
            ledger=Spending(queries),
            recall=PostgresRecall(queries),
            facts=PostgresFacts(queries),
            overflow=PostgresOverflow(queries),
            gaps=Gaps(queries),
            vectors=VectorMemory(queries),
            message_vectors=MessageVectors(queries),
            models=Models((), in_process={"scripted": scripted}, default_handle="scripted/model"),
            dispatcher=bells,
            zones=lambda _name: UTC,
            new_id=new_id,
            new_token=lambda: uuid.uuid4().hex,
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            monotonic_ns=time.monotonic_ns,
            sleep=time.sleep,
            busy_wait_s=0.2,
        )
        deps = replace(deps, **changes)
        return cls(uri, scripted, bells, connections, deps, Engine(deps))

    def say(self, agent_id: str, text: str, *, stream: bool = False, **options: Any) -> list[Event]:
        """Send one user message to the agent's default conversation, and run to the end."""
        return list(
            self.engine.start(DEFAULT_ORG_ID, an_order(agent_id, text, **options), stream=stream)
        )

    def close(self) -> None:
        self.connections.close()


def a_message(text: str, role: str = "user") -> Message:
    return Message(
        id=new_id("message"),
        role=role,
        parts=(Text(text=text),),
        created_at=datetime.now(UTC),
        tokens=len(text) // 4 + 1,
    )


def an_order(agent_id: str, *texts: str, **options: Any) -> RunOrder:
    order_fields = {
        key: options.pop(key)
        for key in ("idempotency_key", "request_hash", "background", "conversation_id")
        if key in options
    }
    return RunOrder(
        agent_id=agent_id,
        conversation_id=order_fields.pop("conversation_id", None),
        messages=tuple(a_message(text) for text in texts),
        options=RunOptions(**options),
        **order_fields,
    )


def an_agent(
    admin_uri: str,
    *,
    blocks: dict[str, str] | None = None,
    tools: Sequence[str] = ("memory_insert", "memory_replace", "conversation_search"),
    **columns: Any,
) -> str:
    """Insert an agent with its default conversation; `columns` override those of the row."""
    agent_id = new_id("agent")
    row = {
        "id": agent_id,
        "org_id": DEFAULT_ORG_ID,
        "name": "tested",
        "agent_type": "letta_v1_agent",
        "system": "You remember.",
        "model": "scripted/model",
        "context_window_limit": 16_000,
    } | columns
    with psycopg.connect(admin_uri, autocommit=True) as conn:
        names = ", ".join(row)
        places = ", ".join(f"%({name})s" for name in row)
        values = {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
        conn.execute(f"insert into remanence.agents ({names}) values ({places})", values)
        conn.execute(
            "insert into remanence.conversations (id, org_id, agent_id, is_default)"
            " values (%s, %s, %s, true)",
            [new_id("conv"), row["org_id"], agent_id],
        )
        for place, (label, value) in enumerate((blocks or {}).items()):
            attach_block(conn, agent_id, a_block(conn, label, value), label, place)
        for place, name in enumerate(tools):
            conn.execute(
                "insert into remanence.agents_tools (org_id, agent_id, tool_id, position)"
                " values (%s, %s, %s, %s)",
                [DEFAULT_ORG_ID, agent_id, a_tool(conn, name), place],
            )
    return agent_id


def a_block(conn: psycopg.Connection, label: str, value: str, limit: int = 2_000) -> str:
    block_id = new_id("block")
    conn.execute(
        'insert into remanence.blocks (id, org_id, label, value, "limit")'
        " values (%s, %s, %s, %s, %s)",
        [block_id, DEFAULT_ORG_ID, label, value, limit],
    )
    return block_id


def attach_block(
    conn: psycopg.Connection, agent_id: str, block_id: str, label: str, place: int = 0
) -> None:
    conn.execute(
        "insert into remanence.agents_blocks (org_id, agent_id, block_id, label, position)"
        " values (%s, %s, %s, %s, %s)",
        [DEFAULT_ORG_ID, agent_id, block_id, label, place],
    )


def a_tool(conn: psycopg.Connection, name: str) -> str:
    """The id of a tool; a built-in one is seeded if it is not there."""
    if tool := BUILTIN_TOOLS.get(name):
        conn.execute(
            "insert into remanence.tools (id, org_id, name, description, tool_type, parameters)"
            " values (%s, %s, %s, %s, %s, %s) on conflict (org_id, name) do nothing",
            [
                new_id("tool"),
                DEFAULT_ORG_ID,
                name,
                tool.spec.description,
                tool.tool_type,
                json.dumps(tool.spec.parameters),
            ],
        )
    found = conn.execute(
        "select id from remanence.tools where org_id = %s and name = %s", [DEFAULT_ORG_ID, name]
    ).fetchone()
    assert found is not None
    return found[0]


def history(admin_uri: str, agent_id: str) -> list[tuple[str, str]]:
    """(role, text or tool names) of every stored message of the agent, in order."""
    with psycopg.connect(admin_uri) as conn:
        rows = conn.execute(
            "select message.role, message.parts from remanence.messages as message"
            " where message.agent_id = %s order by message.conversation_id, message.seq",
            [agent_id],
        ).fetchall()
    return [
        (role, " ".join(part.get("text") or part.get("name") or "" for part in parts))
        for role, parts in rows
    ]


def value(admin_uri: str, query: str, *params: object) -> Any:
    """The first column of the first row of a query."""
    with psycopg.connect(admin_uri) as conn:
        row = conn.execute(query.encode(), params).fetchone()
    return row[0] if row else None


def ended(events: Sequence[Event]) -> RunEnded:
    assert isinstance(events[-1], RunEnded), events
    return events[-1]


def stored(events: Sequence[Event]) -> list[Message]:
    return [m for event in events if isinstance(event, StepStored) for m in event.messages]
