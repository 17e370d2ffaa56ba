"""Responses: the newer of OpenAI's two ways to talk, over an agent. A response is a run.

Path: here -> wire/responses.py -> engine -> wire/response_events.py.
"""

from collections.abc import Generator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse

from remanence.api.answering import NO_BUFFERING, with_first
from remanence.api.deps import Call, ThisCall
from remanence.api.ids import ResponseIdPath, run_id_of
from remanence.api.openai_refs import agent_id_of, answered, conversation_id_of
from remanence.api.routes.messages import IdempotencyKey
from remanence.api.wire.problems import EVENT_STREAM, OPENAI_PROBLEMS
from remanence.api.wire.response_events import head_of, response_events, to_response, unfinished
from remanence.api.wire.response_state import ResponseState
from remanence.api.wire.responses import ResponseRequest
from remanence.core.claims import RunOrder
from remanence.core.events import Event, RunStarted
from remanence.core.records import RunRecord
from remanence.core.types import RunOptions
from remanence.errors import InvalidRequest, NotFound, NotSupported

router = APIRouter(tags=["openai"], responses=OPENAI_PROBLEMS)

_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"model": ResponseState, "content": EVENT_STREAM}
}
_UNFINISHED = {"created": "queued", "running": "in_progress"}


@router.post("/v1/responses", response_model=None, responses=_STREAMED)
def create_response(
    body: ResponseRequest, call: ThisCall, idempotency_key: IdempotencyKey = None
) -> Response:
    """Say something to an agent as to a model of OpenAI: `model` is the agent's id or name."""
    order = _order(body, call, idempotency_key)
    engine = call.deps.engine
    if order.is_queued:
        known = engine.enqueue(call.org_id, order)
        return JSONResponse(_read(known.run_id, call, _asked(body)))
    attended = engine.attend(call.org_id, order, stream=bool(body.stream), deadline=call.deadline)
    first, events = with_first(attended)
    head = _head(first, body.model, int(call.deps.now().timestamp())) | _asked(body)
    if body.stream:
        return _streamed(events, head)
    whole, ended = to_response(events, head)
    return answered(whole, ended)


@router.get("/v1/responses/{response_id}", response_model=None, responses=_STREAMED)
def read_response(
    response_id: ResponseIdPath,
    call: ThisCall,
    stream: Annotated[
        bool, Query(description="Follow it to its end, as server-sent events from its beginning.")
    ] = False,
    starting_after: Annotated[
        int | None, Query(description="Not served: a stream begins at its beginning.")
    ] = None,
) -> Response:
    """Read a response: what the agent has said in it until now, and whether it is over."""
    if starting_after is not None:
        raise InvalidRequest(
            "starting_after in the query: a response is streamed from its beginning",
            field="starting_after",
        )
    run_id = run_id_of(response_id)
    if not stream:
        return JSONResponse(_read(run_id, call, {}))
    record = call.deps.history.find_run(call.org_id, run_id)
    _, events = with_first(call.deps.engine.follow(call.org_id, run_id, deadline=call.deadline))
    return _streamed(events, _head_of_record(record))


@router.post("/v1/responses/{response_id}/cancel", response_model=None, responses=_STREAMED)
def cancel_response(response_id: ResponseIdPath, call: ThisCall) -> Response:
    """Stop a response that is not over; one that is over stays as it is.

    What the agent has said until now stays; what it is saying is not kept.
    """
    run_id = run_id_of(response_id)
    record = call.deps.history.find_run(call.org_id, run_id)
    is_stopped = record.run.status in _UNFINISHED and bool(
        call.deps.engine.cancel(call.org_id, agent_id=record.run.agent_id, run_ids=[run_id])
    )
    answer = _read(run_id, call, {})
    if is_stopped and answer["status"] in _UNFINISHED.values():
        answer["status"] = "cancelled"  # its worker learns of it at its next look, or its commit
    return JSONResponse(answer)


@router.delete("/v1/responses/{response_id}", status_code=204)
def delete_response(response_id: ResponseIdPath, call: ThisCall) -> None:
    """Refused: a response is part of what its agent remembers.

    Delete the conversation, or reset the agent's messages, instead.
    """
    call.deps.history.find_run(call.org_id, run_id_of(response_id))
    raise NotSupported(
        "a single response cannot be forgotten: delete its conversation "
        "(DELETE /v1/conversations/{conversation_id}) or reset the agent's messages"
    )


def _order(body: ResponseRequest, call: Call, idempotency_key: str | None) -> RunOrder:
    agent_id = agent_id_of(body.model, call)
    return body.to_order(
        agent_id=agent_id,
        conversation_id=_conversation_id(body, agent_id, call),
        idempotency_key=idempotency_key or None,
        now=call.deps.now(),
        new_id=call.deps.new_id,
    )


def _conversation_id(body: ResponseRequest, agent_id: str, call: Call) -> str | None:
    if body.previous_response_id is None:
        return conversation_id_of(agent_id, call, named=body.conversation_id, user=body.user)
    if body.conversation is not None:
        raise InvalidRequest(
            "conversation: not together with previous_response_id", field="conversation"
        )
    previous = call.deps.history.find_run(call.org_id, run_id_of(body.previous_response_id)).run
    if previous.agent_id != agent_id:
        raise NotFound("response", body.previous_response_id, hint="it is another agent's")
    return previous.conversation_id


def _asked(body: ResponseRequest) -> dict[str, Any]:
    """What a response repeats of its request."""
    return {
        "model": body.model,
        "instructions": body.all_instructions or None,
        "previous_response_id": body.previous_response_id,
        "background": bool(body.background),
        "metadata": body.metadata or {},
        "tool_choice": body.tool_choice,
    }


def _read(run_id: str, call: Call, asked: dict[str, Any]) -> dict[str, Any]:
    """A response until now."""
    record = call.deps.history.find_run(call.org_id, run_id)
    head = _head_of_record(record) | asked
    if record.run.status == "created":
        return unfinished(head, "queued")
    # With a deadline that has passed, following ends with the first look.
    events = call.deps.engine.follow(call.org_id, run_id, deadline=call.deps.monotonic())
    return to_response(events, head, status=_UNFINISHED.get(record.run.status, "in_progress"))[0]


def _head_of_record(record: RunRecord) -> dict[str, Any]:
    run = record.run
    first = RunStarted(
        run_id=run.id,
        agent_id=run.agent_id,
        conversation_id=run.conversation_id,
        options=run.options,
    )
    head = _head(first, run.agent_id, int(run.created_at.timestamp()))
    return head | {"background": run.background, "metadata": run.metadata}


def _head(first: Event, model: str, created_at: int) -> dict[str, Any]:
    known = first if isinstance(first, RunStarted) else None
    head = head_of(
        response_id=f"resp_{known.run_id.removeprefix('run-').replace('-', '')}" if known else "",
        model=model,
        created_at=created_at,
        options=known.options if known else RunOptions(),
    )
    return head | {"conversation": {"id": known.conversation_id} if known else None}


def _streamed(events: Generator[Event], head: dict[str, Any]) -> Response:
    stream = response_events(events, head)
    return StreamingResponse(stream, media_type="text/event-stream", headers=NO_BUFFERING)
