"""The whole HTTP application on a loopback port, over a real Postgres and the scripted model."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import uvicorn
from letta_client import Letta

from remanence.api.app import create_app
from remanence.api.deps import Deps
from remanence.db.catalog import Catalog
from remanence.db.connect import PooledConnections
from remanence.db.history import History
from remanence.db.message_vectors import MessageVectors
from remanence.db.ongoing import Ongoing
from remanence.db.providers import Providers
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.db.receipts import Receipts
from remanence.db.seed import seed
from remanence.db.spending import Spending
from remanence.db.store import PostgresStore
from remanence.dispatch.inline import InlineDispatcher
from remanence.engine.archival import Archival
from remanence.engine.custom import CustomTools
from remanence.engine.deps import EngineDeps
from remanence.engine.run import Engine
from remanence.engine.run_tool import ToolDesk
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.scripted import ScriptedLlm
from remanence.llm.tenants import Tenants
from remanence.llm.vendors import configured, reachable
from remanence.sandbox.local import LocalSandbox
from remanence.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from fastapi import FastAPI
    from support.pg import Database

MODEL = "scripted/model"
SEALER = Sealer([bytes(range(32))])
# Configured, so that its handles may be named, and nobody listens there: nothing gets a vector.
UNREACHABLE = next(
    replace(provider, base_url="http://127.0.0.1:9/v1")
    for provider in configured({"OPENAI_API_KEY": "none"})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: where it is, what it is made of, and the model that answers."""

    base_url: str
    deps: Deps
    scripted: ScriptedLlm
    database: Database

    def client(self, **options: Any) -> Letta:
        """The official SDK, pointed at it; it does not send anything twice unless asked to."""
        return Letta(base_url=self.base_url, max_retries=0, **options)


@pytest.fixture(scope="session")
def server(database: Database) -> Generator[Server]:
    """A server on the session's database: use agents and blocks of your own."""
    with serving(database) as running:
        yield running


@contextmanager
def serving(
    database: Database,
    steps: Sequence[Any] | None = None,
    *,
    engine_options: dict[str, Any] | None = None,
    **deps_options: Any,
) -> Generator[Server]:
    """Serve a database; options replace fields of EngineDeps and of Deps."""
    with psycopg.connect(database.owner_uri, autocommit=True) as owner:
        seed(owner)
    connections = PooledConnections(database.app_uri, size=4)
    dispatcher = InlineDispatcher()
    scripted = ScriptedLlm(steps)
    deps = a_deps(
        Queries(connections),
        scripted,
        dispatcher=dispatcher,
        engine_options=engine_options or {},
        **deps_options,
    )
    dispatcher.answer_with(
        lambda org_id, conversation_id: deps.engine.advance(
            org_id, conversation_id, deadline=time.monotonic() + 60
        )
    )
    try:
        with listening(create_app(deps)) as base_url:
            yield Server(base_url=base_url, deps=deps, scripted=scripted, database=database)
    finally:
        dispatcher.close()
        connections.close()


def a_deps(
    queries: Queries,
    scripted: ScriptedLlm,
    *,
    dispatcher: Any,
    engine_options: dict[str, Any],
    **options: Any,
) -> Deps:
    """The parts of an application, as wiring makes them, with the scripted model."""
    models = options.pop("models", None) or Models(
        [UNREACHABLE],
        in_process={"scripted": scripted},
        default_handle=MODEL,
        pace=Pace(sleep=lambda _seconds: None),
    )
    tenants = Tenants(
        models,
        places=options.pop("places", reachable({})),
        opener=SEALER,
        load=Providers(queries).load_own,
        shares=options.pop("shares", True),
    )
    recall = PostgresRecall(queries)
    catalog = Catalog(queries)
    engine_deps = EngineDeps(
        **{
            "store": PostgresStore(queries),
            "ledger": Spending(queries),
            "recall": recall,
            "message_vectors": MessageVectors(queries),
            "models": models,
            "tenants": tenants,
            "dispatcher": dispatcher,
            "zones": lambda _name: UTC,
            "new_id": new_id,
            "new_token": lambda: uuid.uuid4().hex,
            "now": now,
            "monotonic": time.monotonic,
            "monotonic_ns": time.monotonic_ns,
            "sleep": time.sleep,
            "busy_wait_s": 5.0,
            "custom_tools": CustomTools(
                sources=catalog.tools, sandbox=LocalSandbox(), opener=SEALER
            ),
        }
        | engine_options
    )
    return Deps(
        **{
            "catalog": catalog,
            "history": History(queries),
            "receipts": Receipts(queries),
            "spending": Spending(queries),
            "ongoing": Ongoing(queries),
            "recall": recall,
            "archival": Archival(
                passages=recall, embedder=models, new_id=new_id, monotonic=time.monotonic
            ),
            "engine": Engine(engine_deps),
            "tool_desk": ToolDesk(agents=catalog.agents, effects=catalog.tools, deps=engine_deps),
            "sealer": SEALER,
            "zones": lambda _name: UTC,
            "tenants": tenants,
            "new_id": new_id,
            "now": now,
            "default_model": MODEL,
        }
        | options
    )


def new_id(kind: str) -> str:
    return f"{kind}-{uuid.uuid4()}"


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def listening(app: FastAPI) -> Generator[str]:
    """Serve an application on a free loopback port, in a thread; gives its address."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", ws="none", log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def _wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the server did not start")
        time.sleep(0.01)
