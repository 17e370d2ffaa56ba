"""What a route is given: the parts the application is made of, and who is calling.

`create_app` takes a `Deps`; a route takes `call: ThisCall`. Nothing here opens or reads anything.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from remanence.api.auth import Actor
from remanence.api.deadline import deadline_in
from remanence.api.own_models import OwnModels
from remanence.core.ids import IdSource, OrgId
from remanence.core.versions import Author
from remanence.db.catalog import Catalog
from remanence.db.history import History
from remanence.db.ongoing import Ongoing
from remanence.db.recall import PostgresRecall
from remanence.db.receipts import Receipts
from remanence.db.spending import Spending
from remanence.engine.archival import Archival
from remanence.engine.ports import Zones
from remanence.engine.run import Engine
from remanence.engine.run_tool import ToolDesk
from remanence.llm.tenants import Tenants
from remanence.sealing import Sealer


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """The parts of a running application.

    Args:
        catalog: agents, blocks and tools in the database.
        history: messages, runs and steps in the database.
        spending: what is spent, and the caps on it.
        receipts: what steps were compiled from.
        ongoing: what is going on in a conversation.
        recall: passages in the database.
        archival: stores and searches passages with their vectors.
        engine: runs agents.
        tool_desk: runs single tools.
        sealer: seals what must not be readable in the database.
        zones: time zones by name.
        tenants: what each organization may name as a model.
        new_id: makes ids.
        now: the time, aware UTC.
        monotonic: seconds of a clock that only goes on; deadlines are counted in it.
        api_key: what callers must send; None: nothing.
        default_model: handle for an agent that names none; None: it must name one.
        default_embedding: handle for an agent that names none; None: lexical search only.
        tool_requirements: packages that custom tools may require, with pinned versions.
        calls_private_addresses: a callback may go to an address that is not public.
        cors_origins: web pages whose scripts may call from a browser; `*` for any.
        trusts_lambda_context: requests come through the Lambda Web Adapter, which says how long
            an invocation lasts.
    """

    catalog: Catalog
    history: History
    spending: Spending
    receipts: Receipts
    ongoing: Ongoing
    recall: PostgresRecall
    archival: Archival
    engine: Engine
    tool_desk: ToolDesk
    sealer: Sealer
    zones: Zones
    tenants: Tenants
    new_id: IdSource
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    api_key: str | None = None
    default_model: str | None = None
    default_embedding: str | None = None
    tool_requirements: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    calls_private_addresses: bool = False
    cors_origins: Sequence[str] = ()
    trusts_lambda_context: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: who calls, and what there is to answer with.

    `models` are those of the caller's organization.
    `is_sdk` says that the caller is an SDK of version 1 or later: it gets relations only when it
    asks for them, and nothing back from attaching a tool. `deadline` is when to be done, in
    seconds of Deps.monotonic, if this request may not take as long as it likes.
    """

    deps: Deps
    actor: Actor
    models: OwnModels
    is_sdk: bool
    deadline: float | None = None

    @property
    def org_id(self) -> OrgId:
        """The caller's organization."""
        return self.actor.org_id

    @property
    def archival(self) -> Archival:
        """Stores and searches passages, with the models of the caller's organization."""
        return self.deps.archival.for_org(self.org_id, self.models)

    @property
    def author(self) -> Author:
        """Who makes the versions that this request makes."""
        return Author(origin="api", actor=self.actor.user_id)


async def _call_of(request: Request) -> Call:
    """Async, so that no thread is spent on looking at two attributes."""
    deps: Deps = request.app.state.deps
    deadline = None
    if deps.trusts_lambda_context:
        deadline = deadline_in(request.headers, now=deps.now, monotonic=deps.monotonic)
    actor: Actor = request.state.actor
    return Call(
        deps=deps,
        actor=actor,
        models=OwnModels(deps.tenants, actor.org_id),
        is_sdk=_is_sdk(request),
        deadline=deadline,
    )


def _is_sdk(request: Request) -> bool:
    """The retired server's rule: these SDKs say their version, or no user agent at all."""
    user_agent = request.headers.get("user-agent", "")
    return "x-stainless-package-version" in request.headers or (
        not user_agent or user_agent.startswith("letta-client/")
    )


ThisCall = Annotated[Call, Depends(_call_of)]
