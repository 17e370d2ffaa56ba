"""Chat completions: a front end made for OpenAI talks to an agent, and gets memory with it."""

from collections.abc import Generator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from remanence.api.answering import NO_BUFFERING, with_first
from remanence.api.deps import Call, ThisCall
from remanence.api.openai_refs import agent_id_of, answered, conversation_id_of
from remanence.api.routes.messages import IdempotencyKey
from remanence.api.wire.chat_completions import ChatRequest
from remanence.api.wire.chat_replies import chunks, completion
from remanence.api.wire.completion_state import Completion
from remanence.api.wire.problems import EVENT_STREAM, OPENAI_PROBLEMS
from remanence.core.claims import RunOrder
from remanence.core.events import Event, RunStarted
from remanence.db.conversations import ConversationRef
from remanence.errors import PendingApproval

router = APIRouter(tags=["openai"], responses=OPENAI_PROBLEMS)

_ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": Completion, "content": EVENT_STREAM}}


@router.post("/v1/chat/completions", response_model=None, responses=_ANSWER)
def create_chat_completion(
    body: ChatRequest, call: ThisCall, idempotency_key: IdempotencyKey = None
) -> Response:
    """Say something to an agent as to a model of OpenAI: `model` is the agent's id or name."""
    deps = call.deps
    agent_id = agent_id_of(body.model, call)
    order = body.to_order(
        agent_id=agent_id,
        conversation_id=conversation_id_of(
            agent_id, call, named=body.conversation_id, user=body.user
        ),
        idempotency_key=idempotency_key or None,
        now=deps.now(),
        new_id=deps.new_id,
    )
    try:
        first, events = _begun(order, body, call)
    except PendingApproval:
        # This protocol cannot give up a call, and a front end may have forgotten it: who speaks on
        # instead of answering it has given it up.
        if order.messages[-1].role != "user":
            raise
        ref = ConversationRef(agent_id=agent_id, conversation_id=order.conversation_id)
        known = deps.catalog.conversations.load_conversation(call.org_id, ref)
        deps.engine.cancel(call.org_id, conversation_id=known.id)
        first, events = _begun(order, body, call)
    head = _head(first, body.model, call)
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        stream = chunks(events, head, include_usage=usage)
        return StreamingResponse(stream, media_type="text/event-stream", headers=NO_BUFFERING)
    whole, ended = completion(events, head)
    return answered(whole, ended)


def _begun(order: RunOrder, body: ChatRequest, call: Call) -> tuple[Event, Generator[Event]]:
    attended = call.deps.engine.attend(
        call.org_id, order, stream=body.stream, deadline=call.deadline
    )
    return with_first(attended)


def _head(first: Event, model: str, call: Call) -> dict[str, Any]:
    run_id = first.run_id if isinstance(first, RunStarted) else ""
    return {
        "id": f"chatcmpl-{run_id.removeprefix('run-')}",
        "created": int(call.deps.now().timestamp()),
        "model": model,
    }
