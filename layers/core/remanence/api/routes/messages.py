"""Saying something to an agent, stopping it, and reading what was said.

Path: here -> api/answering.py -> engine.
"""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from remanence.api.answering import begun, ordered, streamed, whole
from remanence.api.deps import ThisCall
from remanence.api.ids import AgentIdPath
from remanence.api.pages import page_of
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.callbacks import check_reachable
from remanence.api.wire.inputs import AsyncRequest, MessageType, RunRequest, speech_of
from remanence.api.wire.message_types import MESSAGE_LIST, RUN_ANSWER
from remanence.api.wire.messages import View, WireMessage, to_wire_all
from remanence.api.wire.problems import STREAMED, UNSERVED
from remanence.api.wire.runs import RunState, cancelled_to_wire, queued_record, run_to_wire
from remanence.core.callbacks import Callback
from remanence.db.conversations import ConversationRef
from remanence.db.history import Stretch
from remanence.db.paging import Page

router = APIRouter(tags=["messages"])

IdempotencyKey = Annotated[
    str | None, Header(description="The same key again is the same request, and the same run.")
]


@router.post("/v1/agents/{agent_id}/messages", response_model=None, responses=RUN_ANSWER)
def send_message(
    agent_id: AgentIdPath,
    body: RunRequest,
    call: ThisCall,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say something to the agent and have its answer, whole or as a stream."""
    body.check_streaming()
    order = ordered(body, ConversationRef(agent_id=agent_id), call, idempotency_key)
    events = begun(order, body, call)
    if body.streaming:
        return streamed(events, body, call)
    return whole(events, body, idempotency_key=order.idempotency_key)


@router.post("/v1/agents/{agent_id}/messages/stream", response_model=None, responses=STREAMED)
def stream_message(
    agent_id: AgentIdPath,
    body: RunRequest,
    call: ThisCall,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say something to the agent and stream its answer as server-sent events."""
    order = ordered(body, ConversationRef(agent_id=agent_id), call, idempotency_key)
    return streamed(begun(order, body, call), body, call)


@router.post("/v1/agents/{agent_id}/messages/async", responses=UNSERVED)
def send_message_async(
    agent_id: AgentIdPath,
    body: AsyncRequest,
    call: ThisCall,
    idempotency_key: IdempotencyKey = None,
) -> RunState:
    """Say something to the agent and have it answer in the background, behind what it is at."""
    deps = call.deps
    if body.callback_url is not None and not deps.calls_private_addresses:
        check_reachable(body.callback_url)
    order = ordered(body, ConversationRef(agent_id=agent_id), call, idempotency_key)
    if body.callback_url is not None:
        order = replace(
            order, callback=Callback(url=body.callback_url, method=body.callback_method)
        )
    known = deps.engine.enqueue(call.org_id, order)
    if not known.is_new:
        return run_to_wire(deps.history.find_run(call.org_id, known.run_id))
    return run_to_wire(queued_record(known, order, agent_id, deps.now()))


class CancelRequest(BaseModel):
    """Which runs to stop."""

    run_ids: list[str] | None = Field(default=None, description="Null: all that are not over.")


@router.post("/v1/agents/{agent_id}/messages/cancel")
def cancel_messages(
    agent_id: AgentIdPath, call: ThisCall, body: CancelRequest | None = None
) -> dict[str, str]:
    """Stop runs of the agent, and give up tool calls that wait for an approval."""
    run_ids = body.run_ids if body is not None else None
    asked = call.deps.engine.cancel(call.org_id, agent_id=agent_id, run_ids=run_ids or None)
    if not asked:
        call.deps.catalog.agents.load_agent(call.org_id, agent_id, ())
    return cancelled_to_wire(asked)


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

    group_id: str | None = Field(default=None, description="Finds nothing: there are no groups.")
    include_err: bool | None = Field(
        default=None, description="Without effect: an error is in its run, not in the history."
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
    if query.group_id is not None:
        return []
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


class ResetRequest(BaseModel):
    """What shall be there after the history is gone."""

    add_default_initial_messages: bool | None = Field(
        default=None, description="Without effect: an agent starts without messages here."
    )


@router.patch("/v1/agents/{agent_id}/reset-messages")
def reset_messages(
    agent_id: AgentIdPath, call: ThisCall, body: ResetRequest | None = None
) -> AgentState | None:
    """Delete the history of the agent's default conversation: messages, summaries, window.

    Its memory stays: blocks, passages, other conversations.
    """
    del body
    call.deps.history.reset_messages(call.org_id, agent_id)
    if call.is_sdk:
        return None
    return agent_to_wire(
        call.deps.catalog.agents.load_agent(call.org_id, agent_id, ("blocks", "tools"))
    )
