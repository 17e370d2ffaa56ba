"""What a worker process does in the fault tests, and how it dies.

A job is a JSON object: `do` says what, `die_at` at which of the points it passes (counted from
1), `how` in which way. It tells what happens: reach, bell, asked (the model), event, result.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.world import World, a_message, new_id

from remanence.core.callbacks import Callback, CallbackAnswer
from remanence.core.claims import RunOrder
from remanence.core.custom_tools import ToolRan
from remanence.core.events import RunEnded, RunHandedOver, RunStarted, StepStored, Streamed
from remanence.core.exchange import Approval, ToolReturn
from remanence.core.ids import DEFAULT_ORG_ID, ToolId
from remanence.core.types import Message, RunOptions, Tool
from remanence.db.catalog_tools import Tools
from remanence.db.queries import Queries
from remanence.engine.custom import CustomTools
from remanence.engine.sweep import sweep
from remanence.errors import AppError
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm
from remanence.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from remanence.core.callbacks import DueCallback
    from remanence.core.custom_tools import ToolRun
    from remanence.core.events import Event
    from remanence.core.exchange import Delta, JsonObject, Reply, Request
    from remanence.engine.points import Point

FAR = 1e9
# A tool that the caller brings with it and runs itself.
PHONE = (
    Tool(
        id=ToolId("tool-phone"),
        name="ask_phone",
        description="Asks the user's phone.",
        tool_type="client",
        parameters={"type": "object", "properties": {}},
    ),
)


class Telling(ScriptedLlm):
    """The scripted model, which tells when it is asked and when it has said all."""

    tell: Callable[..., None]

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        self.tell(asked=len(request.turns))
        yield from super().call(request, stream=stream, deadline=deadline)


class TellingBells:
    """A doorbell that the test hears."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def ring(self, org_id: str, conversation_id: str, run_id: str) -> None:
        self._tell(bell=conversation_id)


class TellingSandbox:
    """Runs no tool: it tells which one had its effect, by the key that makes it harmless."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def run(self, run: ToolRun, *, timeout_s: float) -> ToolRan:
        self._tell(effect=f"{run.tool_call_id} {json.dumps(run.arguments)}")
        return ToolRan(text="sent", status="success")


class TellingCaller:
    """A caller that hears of the end of its run, and agrees."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def call(self, due: DueCallback, body: JsonObject, *, timeout_s: float) -> CallbackAnswer:
        self._tell(called=f"{due.callback.url} {body['status']}")
        return CallbackAnswer(status_code=200)


class Worker:
    """One worker's engine, with death at one of the points it passes.

    Its clock is `skew_s` off; `deps` replace fields of its EngineDeps.
    """

    def __init__(self, uri: str, *, skew_s: float = 0.0, **deps: Any) -> None:
        self.spec: dict[str, Any] = {}
        self.tell: Callable[..., None] = _nothing
        self.left = 0
        model = Telling()
        model.tell = self.pass_on
        self.world = World.over(
            uri,
            models=Models((), in_process={"scripted": model}, default_handle="scripted/model"),
            dispatcher=TellingBells(self.pass_on),
            reach=self.reach,
            now=lambda: datetime.now(UTC) + timedelta(seconds=skew_s),
            **{"caller": TellingCaller(self.pass_on), **deps},
        )
        tools = CustomTools(
            sources=Tools(Queries(self.world.connections)),
            sandbox=TellingSandbox(self.pass_on),
            opener=Sealer([]),
        )
        object.__setattr__(self.world.deps, "custom_tools", tools)

    def pass_on(self, **said: Any) -> None:
        """To whoever listens to the job of this moment."""
        self.tell(**said)

    def do(self, spec: dict[str, Any], tell: Callable[..., None]) -> None:
        """One job; an error the engine raises on purpose is told."""
        self.spec, self.tell, self.left = spec, tell, spec.get("die_at") or 0
        try:
            getattr(self, spec["do"])()
        except AppError as error:
            tell(refused=error.code)

    def reach(self, point: Point) -> None:
        self.tell(reach=point)
        self.left -= 1
        if self.left == 0:
            self.die(self.spec.get("how", "kill"))

    def die(self, how: str) -> None:
        match how:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(9)
            case "stop":  # asleep until somebody sends SIGCONT, then goes on as if nothing was
                os.kill(os.getpid(), signal.SIGSTOP)
                self.left = self.spec.get("then_die_at", 0)
                self.spec["how"] = self.spec.get("then_how", "kill")
            case "cut":  # the connection is gone, and nobody has noticed yet
                conn = self.world.connections._conn
                if conn is not None:
                    with socket.socket(fileno=os.dup(conn.fileno())) as sock:
                        sock.shutdown(socket.SHUT_RDWR)
            case _:
                raise ValueError(how)

    def start(self) -> None:
        """A caller that waits, to the end of what it is told."""
        order = an_order_of(self.spec)
        limit = self.spec.get("deadline_s")
        events = self.world.engine.start(
            DEFAULT_ORG_ID,
            order,
            stream=self.spec.get("stream", False),
            deadline=None if limit is None else time.monotonic() + limit,
        )
        for event in events:
            self.tell(event=_short(event))

    def enqueue(self) -> None:
        known = self.world.engine.enqueue(DEFAULT_ORG_ID, an_order_of(self.spec))
        self.tell(event=["Known", known.run_id])

    def advance(self) -> None:
        more = self.world.engine.advance(
            DEFAULT_ORG_ID,
            self.spec["conversation_id"],
            deadline=time.monotonic() + self.spec.get("limit_s", 60.0),
        )
        self.tell(result=more)

    def advance_all(self) -> None:
        """Answer bells of a conversation, one after the other, until `patience` found it idle."""
        idle = 0
        while idle < self.spec.get("patience", 20):
            more = self.world.engine.advance(
                DEFAULT_ORG_ID, self.spec["conversation_id"], deadline=time.monotonic() + 60.0
            )
            idle = 0 if more else idle + 1
            time.sleep(0 if more else 0.01)

    def sweep(self) -> None:
        share = self.spec.get("share", FAR)
        report = sweep(self.world.deps, share=share, deadline=time.monotonic() + 60.0)
        self.tell(result=[report.rung, report.compacted, report.skipped])

    def cancel(self) -> None:
        cancelled = self.world.engine.cancel(
            DEFAULT_ORG_ID, conversation_id=self.spec["conversation_id"]
        )
        self.tell(result=[run.status for run in cancelled])


def an_order_of(spec: dict[str, Any]) -> RunOrder:
    """The order of a job: a text, or answers to the calls that wait for an approval."""
    parts: tuple[Approval | ToolReturn, ...] = (
        *(
            Approval(tool_call_id=call_id, approve=approve)
            for call_id, approve in spec.get("approve", {}).items()
        ),
        *(
            ToolReturn(tool_call_id=call_id, name="ask_phone", text=text)
            for call_id, text in spec.get("returns", {}).items()
        ),
    )
    if parts:
        message = Message(
            id=new_id("message"), role="approval", parts=parts, created_at=datetime.now(UTC)
        )
    else:
        message = a_message(spec["text"])
    return RunOrder(
        agent_id=spec["agent_id"],
        conversation_id=spec.get("conversation_id"),
        messages=(message,),
        options=RunOptions(client_tools=PHONE if spec.get("phone") else ()),
        callback=Callback(url=spec["callback"]) if "callback" in spec else None,
        idempotency_key=spec.get("key"),
        request_hash=spec.get("key"),
    )


def _short(event: Event) -> list[Any]:
    match event:
        case RunStarted():
            return ["RunStarted", event.run_id]
        case RunEnded():
            return ["RunEnded", event.stop_reason, event.error and event.error.type]
        case RunHandedOver():
            return ["RunHandedOver"]
        case StepStored():
            return ["StepStored", [message.role for message in event.messages]]
        case Streamed():
            return ["Streamed"]
        case _:
            return [type(event).__name__]


def run(spec: dict[str, Any], tell: Callable[..., None]) -> None:
    """Do one job in a process of its own."""
    worker = Worker(spec["uri"], skew_s=spec.get("skew_s", 0.0), **spec.get("deps", {}))
    try:
        worker.do(spec, tell)
    finally:
        worker.world.close()


def _nothing(**_said: Any) -> None:
    """What a worker tells before it has a job."""
