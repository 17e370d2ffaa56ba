"""Traces as the protocol shows them. Path: db/history.py -> StepRecord, RunRecord -> here."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from remanence.api.wire.instants import Instant
from remanence.core.exchange import JsonObject, Request
from remanence.core.ids import DEFAULT_USER_ID, OrgId
from remanence.core.receipt import request_to_json
from remanence.core.records import RunRecord, StepRecord
from remanence.core.replay import Kept

_NS_PER_MS = 1_000_000


class ProviderTrace(BaseModel):
    """What is known of the model call of a step."""

    id: str = Field(description="The step's id.")
    request_json: dict[str, Any] = Field(
        description="The model, and what the request was compiled from: versions, ids and sizes."
    )
    response_json: dict[str, Any] = Field(description="Tokens, how it ended, and what failed.")
    agent_id: str
    run_id: str
    step_id: str
    call_type: str = "agent_step"
    latency_ms: int | None = Field(description="Milliseconds in the model call.")
    created_at: Instant
    updated_at: Instant
    created_by_id: str | None = DEFAULT_USER_ID
    last_updated_by_id: str | None = DEFAULT_USER_ID
    org_id: str


def trace_to_wire(step: StepRecord, receipt: JsonObject, org_id: OrgId) -> ProviderTrace:
    """The trace of a step."""
    return ProviderTrace(
        id=step.id,
        request_json={
            "model": step.model,
            "context_window_limit": step.context_window_limit,
            "receipt": receipt,
        },
        response_json={
            "status": step.status,
            "stop_reason": step.stop_reason,
            "usage": _tokens(step),
            "error": _error(step),
        },
        agent_id=step.agent_id,
        run_id=step.run_id,
        step_id=step.id,
        latency_ms=None if step.llm_ns is None else step.llm_ns // _NS_PER_MS,
        created_at=step.created_at,
        updated_at=step.created_at,
        org_id=org_id,
    )


class StepRequest(BaseModel):
    """What a step asked, compiled again: the same bytes, or there is no answer."""

    step_id: str = Field(description="The step's id.")
    hash: str = Field(description="Of the request, as it was noted when it was sent.")
    request: dict[str, Any] = Field(
        description="As it was before it was mapped to the wire of its provider: handle, system, "
        "tools, tool_choice, settings, cache_key and turns."
    )


def request_to_wire(request: Request, kept: Kept) -> StepRequest:
    """A replayed request."""
    return StepRequest(
        step_id=kept.step.id, hash=kept.receipt["request"], request=request_to_json(request)
    )


def run_spans(run: RunRecord, steps: Sequence[StepRecord]) -> list[dict[str, Any]]:
    """A run and its steps as spans; durations are in nanoseconds, null while it is not over."""
    whole = {
        "trace_id": run.run.id,
        "span_id": run.run.id,
        "parent_span_id": None,
        "name": "run",
        "start_time_unix_nano": _ns(run.started_at or run.run.created_at),
        "duration_ns": run.duration_ns,
        "status": run.run.status,
        "attributes": {
            "agent_id": run.run.agent_id,
            "stop_reason": run.run.stop_reason,
            "ttft_ns": run.ttft_ns,
            "error": run.error_message,
        },
    }
    return [whole, *(_step_span(step) for step in steps)]


def _step_span(step: StepRecord) -> dict[str, Any]:
    return {
        "trace_id": step.run_id,
        "span_id": step.id,
        "parent_span_id": step.run_id,
        "name": "step",
        "start_time_unix_nano": _ns(step.started_at),
        "duration_ns": step.step_ns,
        "status": step.status,
        "attributes": {
            "model": step.model,
            "llm_request_ns": step.llm_ns,
            **_tokens(step),
            "error": _error(step),
        },
    }


def _tokens(step: StepRecord) -> dict[str, int]:
    usage = step.usage
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def _error(step: StepRecord) -> dict[str, str | None] | None:
    if step.error_type is None:
        return None
    return {"type": step.error_type, "message": step.error_message}


def _ns(moment: datetime) -> int:
    """Nanoseconds since 1970, exactly."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
