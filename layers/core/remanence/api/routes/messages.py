"""Saying something to an agent, and reading what was said.

Path: here -> wire/inputs.py -> engine.start -> wire/stream.py.
Errors before the run exists are status codes; later ones are in the answer or in the stream.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.errors import answer_to
from remanence.api.ids import AgentIdPath
from remanence.api.pages import page_of
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.inputs import MessageType, RunRequest, speech_of
from remanence.api.wire.message_types import MESSAGE_LIST, RUN_ANSWER
from remanence.api.wire.messages import View, WireMessage, to_wire_all
from remanence.api.wire.stream import StreamOptions, handed_over_message, to_answer, to_sse
from remanence.core.claims import RunOrder
from remanence.core.events import Event, RunEnded, RunError, RunHandedOver
from remanence.db.history import Stretch
from remanence.db.paging import Page
from remanence.errors import AppError, NotSupported

router = APIRouter(tags=["messages"])

IdempotencyKey = Annotated[
    str | None, Header(description="The same key again is the same request, and the same run.")
]
_NO_BUFFERING = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@router.post("/v1/agents/{agent_id}/messages", response_model=None, responses=RUN_ANSWER)
def send_message(
    agent_id: AgentIdPath,
    body: RunRequest,
    call: ThisCall,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say something to the agent and have its answer, whole or as a stream."""
    body.check_streaming()
    events = _start(agent_id, body, call, idempotency_key)
    return streamed(events, body, call) if body.streaming else whole(events, body)


def whole(events: Iterator[Event], body: RunRequest) -> Response:
    """The answer of a run that is not streamed, once it is over."""
    answer = to_answer(events, body.view())
    match answer.ended:
        case RunHandedOver() as handed_over:
            return _unfinished_run(handed_over)
        case RunEnded(error=RunError() as error):
            return failed_run(error)
        case RunEnded() as ended:
            return JSONResponse(answer.to_wire(ended))


@router.post("/v1/agents/{agent_id}/messages/stream", response_model=None)
def stream_message(
    agent_id: AgentIdPath,
    body: RunRequest,
    call: ThisCall,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say something to the agent and stream its answer as server-sent events."""
    return streamed(_start(agent_id, body, call, idempotency_key), body, call)


def _start(
    agent_id: str, body: RunRequest, call: Call, idempotency_key: str | None
) -> Iterator[Event]:
    """The events of a run that has begun: what forbids it was raised."""
    deps = call.deps
    order = body.to_order(
        agent_id=agent_id,
        idempotency_key=idempotency_key or None,
        now=deps.now(),
        new_id=deps.new_id,
    )
    return begun(order, body, call)


def begun(order: RunOrder, body: RunRequest, call: Call) -> Iterator[Event]:
    """The events of a run, the first of which has happened: what forbids it was raised."""
    events = call.deps.engine.start(call.org_id, order, stream=body.stream_tokens)
    return chain([next(events)], events)


def streamed(events: Iterator[Event], body: RunRequest, call: Call) -> Response:
    """The answer of a run as server-sent events."""
    options = StreamOptions(
        view=body.view(),
        tokens=body.stream_tokens,
        pings=body.include_pings,
        now=call.deps.now,
        new_id=call.deps.new_id,
    )
    return StreamingResponse(
        to_sse(events, options), media_type="text/event-stream", headers=_NO_BUFFERING
    )


def failed_run(error: RunError) -> Response:
    """The answer for a run that failed: what its error would have been before it began.

    Its input is stored, so the same request must not be sent again by itself.
    """
    kind = _KINDS.get(error.type, AppError)
    exc = kind.__new__(kind)  # some kinds take more than the message, which is all there is here
    AppError.__init__(exc, error.message)
    answer = answer_to(exc)
    answer.headers["x-should-retry"] = "false"
    return answer


def _unfinished_run(event: RunHandedOver) -> Response:
    body = {"detail": handed_over_message(event), "run_id": event.run_id}
    return JSONResponse(body, status_code=504, headers={"x-should-retry": "false"})


def _kinds_below(kind: type[AppError]) -> dict[str, type[AppError]]:
    """The errors of this branch of the tree by their codes; the one nearest to its root wins."""
    found: dict[str, type[AppError]] = {}
    for below in kind.__subclasses__():
        found = _kinds_below(below) | {below.code: below} | found
    return found


_KINDS = _kinds_below(AppError)


class MessageListQuery(BaseModel):
    """Which messages, and how they are shown."""

    conversation_id: str | None = Field(
        default=None, description="A conversation of the agent; null: its default one."
    )
    use_assistant_message: bool = Field(
        default=True, description="Show calls of the speaking tool as assistant messages."
    )
    assistant_message_tool_name: str = "send_message"
    assistant_message_tool_kwarg: str = "message"
    include_return_message_types: list[MessageType] | None = Field(
        default=None, description="Only messages of these types."
    )

    def view(self) -> View:
        """How the caller wants to see them."""
        kinds = self.include_return_message_types
        return View(
            speech=speech_of(
                self.use_assistant_message,
                self.assistant_message_tool_name,
                self.assistant_message_tool_kwarg,
            ),
            message_types=frozenset(kinds) if kinds else None,
        )


@router.get("/v1/agents/{agent_id}/messages", response_model=None, responses=MESSAGE_LIST)
def list_messages(
    agent_id: AgentIdPath,
    query: Annotated[MessageListQuery, Query()],
    page: Annotated[Page, page_of("message", limit=100)],
    call: ThisCall,
) -> list[WireMessage]:
    """List the history of a conversation, oldest first within a page.

    `before` means older and `after` newer, in either order; `order` says from which end of what
    lies between them the page is taken: desc takes the newest.
    """
    view = query.view()
    messages = call.deps.history.list_messages(
        call.org_id,
        agent_id,
        None if query.conversation_id in (None, "default") else query.conversation_id,
        Stretch(
            before=page.before,
            after=page.after,
            limit=page.limit,
            newest=page.order == "desc",
            message_types=None if view.message_types is None else sorted(view.message_types),
            speech_tool=view.speech.tool_name,
        ),
    )
    return to_wire_all(messages, view)


@router.patch("/v1/agents/{agent_id}/reset-messages")
def reset_messages(agent_id: AgentIdPath, call: ThisCall) -> AgentState | None:
    """Delete the history of the agent's default conversation: messages, summaries, window.

    Its memory stays: blocks, passages, other conversations. `add_default_initial_messages` of the
    protocol has nothing to add: an agent starts without messages here.
    """
    call.deps.history.reset_messages(call.org_id, agent_id)
    if call.is_sdk:
        return None
    return agent_to_wire(
        call.deps.catalog.agents.load_agent(call.org_id, agent_id, ("blocks", "tools"))
    )


@router.post("/v1/agents/{agent_id}/messages/cancel")
def cancel_message(agent_id: AgentIdPath) -> None:  # noqa: ARG001  checked all the same
    """Stop the runs of the agent."""
    raise NotSupported("cancelling a run is not served yet")
