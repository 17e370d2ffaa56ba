"""A run as OpenAI's response: whole, or as its stream of numbered events.

Path: engine events -> Output -> to_response or response_events -> the client.
"""

import json
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import aclosing
from typing import Any

from remanence.api.wire.pace import paced
from remanence.api.wire.response_items import Output
from remanence.api.wire.stream import COMMENT, KEEPALIVE_S, handed_over_message
from remanence.core.events import Event, RunEnded, RunError, RunHandedOver
from remanence.core.types import RunOptions, StopReason, run_status_of
from remanence.errors import ProviderRateLimited

Json = dict[str, Any]
_CUT_OFF = frozenset({StopReason.MAX_STEPS, StopReason.MAX_TOKENS_EXCEEDED})


def head_of(*, response_id: str, model: str, created_at: int, options: RunOptions) -> Json:
    """What a response says from its beginning to its end."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "model": model,
        "metadata": {},
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in options.client_tools
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "instructions": None,
        "temperature": None,
        "top_p": None,
        "store": True,
        "background": False,
        "previous_response_id": None,
        "conversation": None,
        "text": {"format": {"type": "text"}},
        "truncation": "auto",
    }


def unfinished(head: Json, status: str) -> Json:
    """A response that is not over: queued or in_progress."""
    return _response(head, status, [])


def to_response(
    events: Iterable[Event], head: Json, *, status: str = "in_progress"
) -> tuple[Json, RunEnded | RunHandedOver]:
    """The response of a run that is read to its end, or until now; then `status` is its status."""
    output = Output(tokens=False)
    for event in events:
        for _ in output.hear(event):
            pass
        if isinstance(event, RunHandedOver):
            return _response(head, status, output.items), event
        if isinstance(event, RunEnded):
            return _ended(head, event, output.items), event
    raise RuntimeError("the engine ended a run without saying how")


async def response_events(events: Generator[Event], head: Json) -> AsyncGenerator[bytes]:
    """The response of a run as a stream; a comment now and then while the model is silent."""
    numbered = _Numbered()
    output = Output(tokens=True)
    begun = unfinished(head, "in_progress")
    yield numbered.event({"type": "response.created", "response": begun})
    yield numbered.event({"type": "response.in_progress", "response": begun})
    async with aclosing(paced(events, KEEPALIVE_S)) as beats:
        async for event in beats:
            if event is None:
                yield COMMENT
                continue
            for said in output.hear(event):
                yield numbered.event(said)
            if isinstance(event, RunEnded | RunHandedOver):
                yield numbered.event(_last(event, head, output))
                return
    yield numbered.event(_failure("the run broke off unexpectedly"))


class _Numbered:
    """Counts the events of one stream, from 0."""

    def __init__(self) -> None:
        self._next = 0

    def event(self, value: Json) -> bytes:
        data = json.dumps(value | {"sequence_number": self._next}, separators=(",", ":"))
        self._next += 1
        return f"event: {value['type']}\ndata: {data}\n\n".encode()


def _last(event: RunEnded | RunHandedOver, head: Json, output: Output) -> Json:
    if isinstance(event, RunHandedOver):
        return _failure(handed_over_message(event))
    response = _ended(head, event, output.items)
    kind = response["status"] if response["status"] in {"completed", "failed"} else "incomplete"
    return {"type": f"response.{kind}", "response": response}


def _failure(message: str) -> Json:
    """The stream breaks off; the run may well go on."""
    return {"type": "error", "code": "stream_incomplete", "message": message, "param": None}


def _ended(head: Json, event: RunEnded, items: list[Json]) -> Json:
    status: str = run_status_of(event.stop_reason)
    reason = None
    if event.stop_reason in _CUT_OFF and event.error is None:
        status, reason = "incomplete", {"reason": "max_output_tokens"}
    return _response(head, status, items) | {
        "incomplete_details": reason,
        "error": _error(event) if status == "failed" else None,
        "usage": _usage(event),
    }


def _error(event: RunEnded) -> Json:
    error = event.error or RunError(type="error", message=f"it ended with {event.stop_reason}")
    limited = error.type == ProviderRateLimited.code
    return {
        "code": "rate_limit_exceeded" if limited else "server_error",
        "message": error.message,
    }


def _response(head: Json, status: str, items: list[Json]) -> Json:
    return head | {
        "status": status,
        "output": items,
        "error": None,
        "incomplete_details": None,
        "usage": None,
    }


def _usage(event: RunEnded) -> Json:
    usage = event.usage
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
