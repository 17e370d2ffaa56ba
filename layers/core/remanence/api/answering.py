"""A request to an agent as a run, and the run as an HTTP answer: streamed, or whole.

Path: api/routes -> ordered -> begun -> engine.attend -> streamed or whole.
Errors before the run exists are status codes; later ones are in the answer or in the stream.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from fastapi.responses import JSONResponse, Response, StreamingResponse

from remanence.api.deps import Call
from remanence.api.errors import answer_to
from remanence.api.wire.answers import ApprovalCreate, Requests, first_call_id
from remanence.api.wire.inputs import RunRequest, SayRequest
from remanence.api.wire.stream import StreamOptions, handed_over_message, to_answer, to_sse
from remanence.core.approvals import waiting_in
from remanence.core.claims import RunOrder
from remanence.core.events import Event, RunEnded, RunError, RunHandedOver
from remanence.db.conversations import ConversationRef
from remanence.errors import AppError

NO_BUFFERING = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def ordered(
    body: SayRequest, ref: ConversationRef, call: Call, idempotency_key: str | None
) -> RunOrder:
    """The order that a request stands for.

    Raises:
        InvalidRequest, NotSupported: what is wrong with it.
    """
    return body.to_order(
        agent_id=ref.agent_id,
        conversation_id=ref.conversation_id,
        idempotency_key=idempotency_key or None,
        now=call.deps.now(),
        new_id=call.deps.new_id,
        requests=_requests(body, ref, call),
    )


def _requests(body: SayRequest, ref: ConversationRef, call: Call) -> Requests:
    """What an answer to tool calls may be to: one read, for answers only."""
    answer = body.answer()
    if answer is None:
        return Requests()
    named_id = answer.approval_request_id if isinstance(answer, ApprovalCreate) else None
    found = call.deps.ongoing.find_approval_requests(
        call.org_id, ref, message_id=named_id or None, call_id=first_call_id(answer)
    )
    pending = next((request.message for request in found if request.is_pending), None)
    named = [
        request.message
        for request in found
        if not request.is_pending or named_id in (None, request.message.id)
    ]
    return Requests(
        pending=pending,
        named=named[0] if named else None,
        callers_call_ids=frozenset(
            call.tool_call_id
            for request in found
            for call in waiting_in(request.message)
            if call.name in request.caller_tools
        ),
    )


def begun(order: RunOrder, body: RunRequest, call: Call) -> Generator[Event]:
    """The events of a run, the first of which has happened: what forbids it was raised."""
    if body.background:
        order = replace(order, background=True, is_streamed=True)
    _, events = with_first(
        call.deps.engine.attend(
            call.org_id, order, stream=body.stream_tokens, deadline=call.deadline
        )
    )
    return events


def with_first(events: Generator[Event]) -> tuple[Event, Generator[Event]]:
    """The first of the events, which has happened when this returns, and all of them."""
    first = next(events)

    def all_of_them() -> Generator[Event]:
        with closing(events):
            yield first
            yield from events

    return first, all_of_them()


def streamed(events: Generator[Event], body: RunRequest, call: Call) -> Response:
    """The answer of a run as server-sent events."""
    return as_stream(
        events,
        StreamOptions(
            view=body.view(),
            tokens=body.stream_tokens,
            pings=body.include_pings,
            now=call.deps.now,
            new_id=call.deps.new_id,
        ),
    )


def as_stream(events: Generator[Event], options: StreamOptions) -> Response:
    """Any events as server-sent events."""
    return StreamingResponse(
        to_sse(events, options), media_type="text/event-stream", headers=NO_BUFFERING
    )


def whole(
    events: Generator[Event], body: RunRequest, *, idempotency_key: str | None = None
) -> Response:
    """The answer of a run that is not streamed, once it is over.

    With an `idempotency_key`, a run that outlives its request may be asked for again.
    """
    answer = to_answer(events, body.view())
    match answer.ended:
        case RunHandedOver() as handed_over:
            return _unfinished_run(handed_over, may_ask_again=idempotency_key is not None)
        case RunEnded(error=RunError() as error):
            return failed_run(error)
        case RunEnded() as ended:
            return JSONResponse(answer.to_wire(ended))


def failed_run(error: RunError) -> JSONResponse:
    """The answer for a run that failed: what its error would have been before it began.

    Its input is stored, so the same request must not be sent again by itself.
    """
    kind = _KINDS.get(error.type, AppError)
    exc = kind.__new__(kind)  # some kinds take more than the message, which is all there is here
    AppError.__init__(exc, error.message)
    answer = answer_to(exc)
    answer.headers["x-should-retry"] = "false"
    return answer


def _unfinished_run(event: RunHandedOver, *, may_ask_again: bool) -> Response:
    """The answer for a run that goes on when the time of its request is up.

    The SDKs ask again when they may: with a key, that follows the same run and gives its answer.
    """
    body = {"detail": handed_over_message(event), "run_id": event.run_id}
    headers = {"x-should-retry": "true" if may_ask_again else "false"}
    return JSONResponse(body, status_code=504, headers=headers)


def _kinds_below(kind: type[AppError]) -> dict[str, type[AppError]]:
    """The errors of this branch of the tree by their codes; the one nearest to its root wins."""
    found: dict[str, type[AppError]] = {}
    for below in kind.__subclasses__():
        found = _kinds_below(below) | {below.code: below} | found
    return found


_KINDS = _kinds_below(AppError)
