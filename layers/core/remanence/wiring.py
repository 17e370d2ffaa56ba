"""Where the parts meet: one engine, one store, one application, from one set of settings.

Path: cli, local and functions/* call this, and nothing else builds parts. Here mypy proves that
the edges fit the engine's ports. Everything is made once per process and opens nothing until it
is used.
"""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from remanence import adapter
from remanence.core.ids import OrgId
from remanence.core.tool_specs import read_requirements
from remanence.correlation import correlation_id
from remanence.db.catalog import Catalog
from remanence.db.connect import Connections, OneConnection, PooledConnections
from remanence.db.facts import PostgresFacts
from remanence.db.gaps import Gaps
from remanence.db.history import History
from remanence.db.message_vectors import MessageVectors
from remanence.db.ongoing import Ongoing
from remanence.db.overflow import PostgresOverflow
from remanence.db.providers import Providers
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.db.receipts import Receipts
from remanence.db.spending import Spending
from remanence.db.store import PostgresStore
from remanence.db.vector_memory import VectorMemory
from remanence.dispatch.callback import HttpCaller
from remanence.engine.archival import Archival
from remanence.engine.custom import CustomTools
from remanence.engine.deps import EngineDeps
from remanence.engine.run import Engine
from remanence.engine.run_tool import ToolDesk
from remanence.engine.watch import log_step
from remanence.offers import build_models, build_tenants, read_settings
from remanence.rotation import Rotating
from remanence.sealing import Sealer, read_keys
from remanence.secrets import resolve_environment
from remanence.settings import Settings, read_origins
from remanence.sources import new_id, new_token, now
from remanence.zones import zone

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from remanence.core.exchange import JsonObject
    from remanence.dispatch.inline import InlineDispatcher
    from remanence.dispatch.sqs import SqsDispatcher
    from remanence.engine.custom import Sandbox
    from remanence.engine.ports import Dispatcher
    from remanence.engine.sweep import SweepReport
    from remanence.engine.watch import StepSeen
    from remanence.llm.models import Models
    from remanence.llm.tenants import Tenants
    from remanence.sandbox.local import LocalSandbox

Watch: TypeAlias = "Callable[[StepSeen], None]"

# How often a server without a schedule of its own sweeps, in seconds.
TICK_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a process works with."""

    settings: Settings
    connections: Connections
    models: Models
    tenants: Tenants
    catalog: Catalog
    recall: PostgresRecall
    engine: Engine
    engine_deps: EngineDeps
    queries: Queries
    sealer: Sealer

    @property
    def archival(self) -> Archival:
        """Stores and searches passages; `for_org` gives it the models of an organization."""
        return Archival(
            passages=self.recall,
            embedder=self.models,
            new_id=new_id,
            monotonic=time.monotonic,
            memory=VectorMemory(self.queries),
        )

    def close(self) -> None:
        """Give connections back; a later call opens new ones."""
        self.tenants.close()
        self.connections.close()


def build(
    settings: Settings,
    env: Mapping[str, str],
    connections: Connections,
    dispatcher: Dispatcher,
    *,
    may_ask: bool = False,
    watch: Watch = log_step,
) -> Parts:
    """All parts over one source of connections and one dispatcher.

    `may_ask`: a model server of one's own may be asked, now, for the model that is its first.
    `watch` is told of each committed step.
    """
    queries = Queries(connections, correlation_id=correlation_id)
    models = build_models(settings, env, may_ask=may_ask)
    sealer = Sealer(read_keys(settings.secrets_key))
    tenants = build_tenants(settings, env, models, sealer, Providers(queries).load_own)
    recall = PostgresRecall(queries)
    catalog = Catalog(queries)
    engine_deps = EngineDeps(
        store=PostgresStore(queries),
        ledger=Spending(queries),
        recall=recall,
        message_vectors=MessageVectors(queries),
        models=models,
        tenants=tenants,
        dispatcher=dispatcher,
        zones=zone,
        new_id=new_id,
        new_token=new_token,
        now=now,
        monotonic=time.monotonic,
        monotonic_ns=time.monotonic_ns,
        sleep=time.sleep,
        watch=watch,
        step_limit_s=settings.step_limit_s,
        busy_wait_s=settings.busy_wait_s,
        facts=PostgresFacts(queries),
        overflow=PostgresOverflow(queries),
        gaps=Gaps(queries),
        vectors=VectorMemory(queries),
        custom_tools=CustomTools(sources=catalog.tools, sandbox=_sandbox(settings), opener=sealer),
        caller=_caller(settings),
    )
    return Parts(
        settings=settings,
        connections=connections,
        models=models,
        tenants=tenants,
        catalog=catalog,
        recall=recall,
        engine=Engine(engine_deps),
        engine_deps=engine_deps,
        queries=queries,
        sealer=sealer,
    )


def _caller(settings: Settings) -> HttpCaller:
    return HttpCaller(
        secret=settings.callback_secret,
        allows_private=bool(settings.callback_private),
        now=now,
    )


def _sandbox(settings: Settings) -> Sandbox:
    """Where custom tools run; what runs them is only imported when one does."""
    if settings.tool_function:
        from remanence.sandbox.lambda_invoke import LambdaSandbox  # noqa: PLC0415

        return LambdaSandbox(settings.tool_function)
    from remanence.sandbox.local import LocalSandbox  # noqa: PLC0415

    return LocalSandbox(network=bool(settings.tool_network))


def _app(parts: Parts, *, is_adapted: bool = False) -> FastAPI:
    """The application. `is_adapted`: requests come through the Lambda Web Adapter."""
    from remanence.api.app import create_app  # noqa: PLC0415  FastAPI, only where HTTP is served
    from remanence.api.deps import Deps  # noqa: PLC0415

    app = create_app(
        Deps(
            catalog=parts.catalog,
            history=History(parts.queries),
            spending=Spending(parts.queries),
            receipts=Receipts(parts.queries),
            ongoing=Ongoing(parts.queries),
            recall=parts.recall,
            archival=parts.archival,
            engine=parts.engine,
            tool_desk=ToolDesk(
                agents=parts.catalog.agents, effects=parts.catalog.tools, deps=parts.engine_deps
            ),
            sealer=parts.sealer,
            zones=zone,
            tenants=parts.tenants,
            new_id=new_id,
            now=now,
            api_key=parts.settings.api_key or None,
            default_model=parts.models.default_handle or None,
            default_embedding=parts.settings.default_embedding or None,
            tool_requirements=read_requirements(parts.settings.tool_requirements),
            calls_private_addresses=bool(parts.settings.callback_private),
            cors_origins=read_origins(parts.settings.cors_origins),
            trusts_lambda_context=is_adapted,
        )
    )
    app.state.default_model = parts.models.default_handle
    app.state.needs_api_key = bool(parts.settings.api_key)
    return app


# --- a server of one's own --------------------------------------------------------------------


def serve_app(settings: Settings, env: Mapping[str, str], pg_uri: str) -> FastAPI:
    """The whole product in one process: laptop and container.

    The application's lifespan starts the ticker and ends it, finishes the steps that run, and
    closes the pool.
    """
    from remanence.dispatch.inline import InlineDispatcher  # noqa: PLC0415

    dispatcher = InlineDispatcher()
    connections = PooledConnections(pg_uri, size=settings.pool_size)
    parts = build(settings, env, connections, dispatcher, may_ask=True)
    dispatcher.answer_with(
        lambda org_id, conversation_id: parts.engine.advance(
            org_id, conversation_id, deadline=time.monotonic() + settings.step_limit_s
        )
    )
    app = _app(parts)
    app.router.lifespan_context = _lifespan(parts, dispatcher)
    return app


def _lifespan(
    parts: Parts, dispatcher: InlineDispatcher
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    from remanence.ticker import Ticker  # noqa: PLC0415

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        limit_s = parts.settings.step_limit_s
        ticker = Ticker(lambda: _sweep(parts, deadline=time.monotonic() + limit_s), every_s=TICK_S)
        ticker.start()
        yield
        ticker.stop(wait_s=0)
        dispatcher.close()
        ticker.stop(wait_s=5)
        parts.close()

    return lifespan


def _sweep(parts: Parts, *, deadline: float) -> SweepReport:
    from remanence.engine.sweep import sweep  # noqa: PLC0415

    settings = parts.settings
    return sweep(
        parts.engine_deps,
        share=settings.compact_at,
        deadline=deadline,
        model_calls=settings.sweep_model_calls,
        model_tokens=settings.sweep_model_tokens,
    )


# --- Lambda -----------------------------------------------------------------------------------


def lambda_parts(watch: Watch = log_step) -> Parts:
    """The parts of this execution environment: one connection, doorbells over SQS.

    To be asked for in each invocation: they are made anew when their secrets have changed.
    """
    return _rotating(watch).current()


@cache
def _rotating(watch: Watch) -> Rotating[Parts]:
    return Rotating(
        read=lambda: resolve_environment(os.environ),
        make=partial(_lambda_parts, watch=watch),
        discard=Parts.close,
        # Of a snapshot that is restored, the monotonic clock has stood still meanwhile.
        clock=time.time,
    )


def lambda_start() -> str:
    """How Lambda makes this start, in its words; mostly `on-demand`."""
    return os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", "")


def lambda_restored(watch: Watch) -> None:
    """This environment has begun as a snapshot: what was read before is read again."""
    _rotating(watch).doubt()


def _lambda_parts(env: Mapping[str, str], watch: Watch) -> Parts:
    settings = read_settings(env)
    return build(settings, env, OneConnection(settings.pg_uri), _sqs(), watch=watch)


@cache
def _sqs() -> SqsDispatcher:
    from remanence.dispatch.sqs import SqsDispatcher  # noqa: PLC0415

    queue_url = Settings.from_env(os.environ).step_queue_url
    return SqsDispatcher(queue_url, correlation_id=correlation_id)


class LambdaApp:
    """The application over the parts of now, as ASGI: what Mangum and uvicorn serve."""

    def __init__(self, watch: Watch, *, is_adapted: bool = False) -> None:
        self._watch = watch
        self.is_adapted = is_adapted
        self._made: tuple[Parts, FastAPI] | None = None
        self._current()  # now, while the environment starts, and not with its first request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the server's start and end."""
        await self._current()(scope, receive, send)

    def _current(self) -> FastAPI:
        parts = lambda_parts(self._watch)
        if self._made is None or self._made[0] is not parts:
            self._made = parts, _app(parts, is_adapted=self.is_adapted)
        return self._made[1]


def lambda_api_app() -> LambdaApp:
    """The routes that call no model, for Mangum."""
    return LambdaApp(log_step)


def lambda_chat_app(watch: Watch) -> LambdaApp:
    """The routes that run an agent, for uvicorn under the Lambda Web Adapter."""
    return LambdaApp(watch, is_adapted=adapter.is_adapted(os.environ))


def lambda_step(watch: Watch) -> Callable[..., bool]:
    """Takes one step of a conversation: `advance(org_id, conversation_id, deadline=...)`."""
    engine = lambda_parts(watch).engine

    def advance(org_id: str, conversation_id: str, *, deadline: float) -> bool:
        return engine.advance(OrgId(org_id), conversation_id, deadline=deadline)

    return advance


def lambda_postpone() -> Callable[[str, int], None]:
    """Hides a received doorbell for a while."""
    return _sqs().postpone


def lambda_sweep() -> Callable[..., SweepReport]:
    """Looks once at everything that is due: `sweep(deadline=...)`."""
    return partial(_sweep, lambda_parts())


def lambda_tool() -> Callable[[dict[str, Any]], JsonObject]:
    """Runs a custom tool inside of the ToolFunction, which has neither secrets nor a database."""
    from remanence.sandbox.serve import serve_run  # noqa: PLC0415

    return partial(serve_run, _tool_sandbox())


@cache
def _tool_sandbox() -> LocalSandbox:
    from remanence.sandbox.local import LocalSandbox, ToolLimits  # noqa: PLC0415

    # The caller says how long; the function's own time limit is above that.
    limits = ToolLimits(seconds=300.0, at_once=1)
    network = Settings.from_env(os.environ).tool_network
    return LocalSandbox(limits=limits, network=bool(network))


def lambda_migrate() -> list[str]:
    """Bring the database to this version; returns the names of what was applied."""
    from remanence.db.migrate import migrate  # noqa: PLC0415

    env = resolve_environment(os.environ)
    return [step.name for step in migrate(Settings.from_env(env).pg_uri)]
