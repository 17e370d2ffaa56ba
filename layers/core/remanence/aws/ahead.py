"""Starts that are made ahead of requests: a snapshot (SnapStart), environments that are kept ready.

Edge: functions/api, chat and step -> here -> wiring. Nobody waits for such a start, so everything
is loaded in it. A snapshot is restored in many places and much later: what holds a connection is
closed before it is taken, and what has to be of its own place and time is made anew after it.
"""

from __future__ import annotations

import random
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from remanence import wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.aws.observe import AsgiApp, Message, Receive, Send
    from remanence.wiring import Watch

# What Lambda calls such starts.
SNAPSHOT = "snap-start"
KEPT_READY = "provisioned-concurrency"

# Where the Lambda Web Adapter posts, see template.yaml. API Gateway leads nobody there.
BEFORE_PATH = "/snapshot/before"
AFTER_PATH = "/snapshot/after"


def start_ahead(watch: Watch) -> None:
    """Load everything now, if this start is made ahead; and be ready for a snapshot of it."""
    how = wiring.lambda_start()
    if how not in {SNAPSHOT, KEPT_READY}:
        return
    _load(watch)
    if how == SNAPSHOT:
        # Part of Lambda's runtime; the Web Adapter, which takes its place, posts instead.
        hooks: Any = import_module("snapshot_restore_py")
        hooks.register_before_snapshot(partial(let_go, watch))
        hooks.register_after_restore(partial(take_up, watch))


def start_ahead_asgi(app: AsgiApp, watch: Watch) -> AsgiApp:
    """The same for `app`, which is served behind the Web Adapter: it posts at the two paths."""
    how = wiring.lambda_start()
    if how in {SNAPSHOT, KEPT_READY}:
        _load(watch)
    if how != SNAPSHOT:
        return app
    hooks = {BEFORE_PATH: partial(let_go, watch), AFTER_PATH: partial(take_up, watch)}

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        hook = hooks.get(scope.get("path", "")) if scope.get("method") == "POST" else None
        if hook is None:
            await app(scope, receive, send)
        else:
            await _answer(hook, send)

    return serve


def let_go(watch: Watch) -> None:
    """Before a snapshot: close what would be dead after it. Later calls open it again."""
    wiring.lambda_parts(watch).close()


def take_up(watch: Watch) -> None:
    """After a restore: another chance, and secrets as they are now."""
    random.seed()
    wiring.lambda_restored(watch)
    Logger().info("restored from a snapshot")


async def _answer(hook: Callable[[], None], send: Send) -> None:
    hook()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _load(watch: Watch) -> None:
    import_module("boto3")  # rings, and runs tools
    wiring.lambda_parts(watch).models.load()
