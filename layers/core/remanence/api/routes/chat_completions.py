"""Chat completions: a front end made for OpenAI talks to an agent, and gets memory with it."""

import hashlib
import uuid
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse

from remanence.api.answering import failed_run, with_first
from remanence.api.deps import Call, ThisCall
from remanence.api.ids import check_id
from remanence.api.routes.messages import IdempotencyKey
from remanence.api.wire.chat_completions import ChatRequest
from remanence.api.wire.chat_replies import chunks, completion
from remanence.api.wire.stream import handed_over_message
from remanence.core.events import Event, RunEnded, RunError, RunHandedOver, RunStarted
from remanence.core.ids import is_id
from remanence.db.catalog_agents import AgentFilter
from remanence.db.paging import Page
from remanence.errors import InvalidRequest, NotFound, ProviderTimeout

router = APIRouter(tags=["openai"])

_NO_BUFFERING = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@router.post("/v1/chat/completions", response_model=None)
def create_chat_completion(
    body: ChatRequest, call: ThisCall, idempotency_key: IdempotencyKey = None
) -> Response:
    """Say something to an agent as to a model of OpenAI: `model` is the agent's id or name."""
    deps = call.deps
    agent_id = _agent_id(body.model, call)
    order = body.to_order(
        agent_id=agent_id,
        conversation_id=_conversation_id(body, agent_id, call),
        idempotency_key=idempotency_key or None,
        now=deps.now(),
        new_id=deps.new_id,
    )
    first, events = with_first(
        deps.engine.attend(call.org_id, order, stream=body.stream, deadline=call.deadline)
    )
    head = _head(first, body.model, call)
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        stream = chunks(events, head, include_usage=usage)
        return StreamingResponse(stream, media_type="text/event-stream", headers=_NO_BUFFERING)
    whole, ended = completion(events, head)
    match ended:
        case RunHandedOver():
            raise ProviderTimeout(handed_over_message(ended))
        case RunEnded(error=RunError() as error):
            return failed_run(error)
        case RunEnded():
            return JSONResponse(whole)


def _head(first: Event, model: str, call: Call) -> dict[str, Any]:
    run_id = first.run_id if isinstance(first, RunStarted) else ""
    return {
        "id": f"chatcmpl-{run_id.removeprefix('run-')}",
        "created": int(call.deps.now().timestamp()),
        "model": model,
    }


def _agent_id(model: str, call: Call) -> str:
    if is_id("agent", model):
        return model
    named = AgentFilter(agent_name=model, with_hidden=True)
    found = call.deps.catalog.agents.list_agents(call.org_id, named, Page(limit=2), ())
    if not found:
        raise NotFound("agent", model, hint="model is the id or the name of an agent")
    if len(found) > 1:
        raise InvalidRequest(f"several agents are called {model!r}: use an id", field="model")
    return found[0].agent.id


def _conversation_id(body: ChatRequest, agent_id: str, call: Call) -> str | None:
    """The conversation asked for; the user's own, made on first use; or the agent's default."""
    if body.conversation_id is not None:
        return check_id("conv", body.conversation_id, field="conversation_id")
    if not body.user:
        return None
    # The same for the same user, so that two first messages at once make one conversation.
    digest = hashlib.sha256(f"{agent_id}\n{body.user}".encode()).digest()
    view = call.deps.catalog.conversations.create_conversation(
        call.org_id,
        agent_id,
        conversation_id=f"conv-{uuid.UUID(bytes=digest[:16], version=4)}",
        summary=body.user,
        extras={},
    )
    return view.id
