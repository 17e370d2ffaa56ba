"""Runs and steps as the protocol shows them, and what a caller says about a step.

Path: db/history.py -> RunRecord, StepRecord -> here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.api.wire.instants import Instant
from remanence.core.claims import CancelledRun, Known, RunOrder
from remanence.core.exchange import Usage
from remanence.core.ids import AgentId, ConversationId, RunId
from remanence.core.records import RunRecord, StepRecord
from remanence.core.types import Run
from remanence.errors import Conflict

NANOSECONDS = 1_000_000_000


class RequestConfig(BaseModel):
    """How the caller of a run wants to see its messages."""

    use_assistant_message: bool
    assistant_message_tool_name: str = "send_message"
    assistant_message_tool_kwarg: str = "message"
    include_return_message_types: list[str] | None


class RunState(BaseModel):
    """One invocation of an agent: from its input to a stop reason."""

    id: str = Field(description="The run's id.")
    agent_id: str = Field(description="The agent's id.")
    status: str = Field(description="created, running, completed, failed or cancelled.")
    stop_reason: str | None = Field(description="Why it ended.")
    background: bool = Field(description="Nobody waited for it.")
    metadata: dict[str, Any] = Field(description="run_type; error: why it failed.")
    request_config: RequestConfig
    conversation_id: str | None = Field(description="Null: the agent's default conversation.")
    created_at: Instant = Field(description="When it was asked for.")
    completed_at: Instant | None = Field(description="When it ended.")
    callback_url: str | None = Field(description="Told when it ends.")
    callback_sent_at: Instant | None = Field(description="When that was last tried.")
    callback_status_code: int | None = Field(description="The status that it answered, 100 to 599.")
    callback_error: str | None = Field(description="Why it could not be told.")
    ttft_ns: int | None = Field(description="Nanoseconds to the first fragment of a reply.")
    total_duration_ns: int | None = Field(description="Nanoseconds from its start to its end.")
    base_template_id: str | None = None


class PromptDetails(BaseModel):
    """How much of a prompt was in the provider's cache, in tokens."""

    cached_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int


class CompletionDetails(BaseModel):
    """How much of a reply was reasoning, in tokens."""

    reasoning_tokens: int


class UsageState(BaseModel):
    """Tokens, as the provider counted them."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class StepState(UsageState):
    """One model call with the effects of its tool calls."""

    id: str = Field(description="The step's id.")
    origin: str | None = None
    provider_id: str | None = None
    run_id: str = Field(description="The run it belongs to.")
    agent_id: str = Field(description="The agent's id.")
    provider_name: str
    provider_category: str = "base"
    model: str = Field(description="The model's name at its provider.")
    model_handle: str = Field(description="provider/name")
    model_endpoint: str | None = None
    context_window_limit: int = Field(description="Tokens.")
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    stop_reason: str | None = Field(description="Why the run ended with it.")
    status: str = Field(description="success, failed or cancelled.")
    error_type: str | None
    error_data: dict[str, Any] | None
    feedback: str | None = Field(description="positive or negative.")
    tags: list[str] = Field(description="Given together with feedback.")
    messages: list[Any] = Field(default=[], description="Always empty: see /steps/{id}/messages.")
    tid: str | None = None
    trace_id: str | None = None
    request_id: str | None = None
    project_id: str | None = None


class StepMetrics(BaseModel):
    """How long a step took, in nanoseconds."""

    id: str = Field(description="The step's id.")
    provider_id: str | None = None
    run_id: str
    agent_id: str
    step_start_ns: int = Field(description="Counted from 1970.")
    llm_request_start_ns: int | None = None
    llm_request_ns: int | None = Field(description="Nanoseconds in the model call.")
    tool_execution_ns: int | None = None
    step_ns: int | None = Field(description="Nanoseconds in the whole step, without its commit.")
    base_template_id: str | None = None
    template_id: str | None = None
    project_id: str | None = None


class FeedbackRequest(BaseModel):
    """What a caller thinks of a step."""

    feedback: Literal["positive", "negative"] | None = Field(
        default=None, description="Null takes it back."
    )
    tags: list[str] | None = Field(default=None, description="Null leaves them as they are.")


def queued_record(known: Known, order: RunOrder, agent_id: str, now: datetime) -> RunRecord:
    """The record of a run that was queued just now, as nobody has begun it yet."""
    run = Run(
        id=RunId(known.run_id),
        agent_id=AgentId(agent_id),
        conversation_id=ConversationId(known.conversation_id or ""),
        status="created",
        options=order.options,
        background=True,
        created_at=now,
    )
    return RunRecord(
        run=run, in_default_conversation=order.conversation_id is None, callback=order.callback
    )


def cancelled_to_wire(asked: Sequence[CancelledRun]) -> dict[str, str]:
    """The runs that were asked to stop; those that are being stepped stop at the next look.

    Raises:
        Conflict: there was nothing to stop.
    """
    if not asked:
        raise Conflict("no active runs to cancel: nothing runs here, and nothing waits")
    return {run.run_id: "cancelled" for run in asked}


def run_to_wire(record: RunRecord) -> RunState:
    """A run."""
    run = record.run
    kinds = run.options.include_return_message_types
    error = {} if record.error_message is None else {"error": record.error_message}
    return RunState(
        id=run.id,
        agent_id=run.agent_id,
        status=run.status,
        stop_reason=run.stop_reason,
        background=run.background,
        metadata={"run_type": "send_message", **error},
        request_config=RequestConfig(
            use_assistant_message=run.options.use_assistant_message,
            include_return_message_types=None if kinds is None else list(kinds),
        ),
        conversation_id=None if record.in_default_conversation else run.conversation_id,
        created_at=run.created_at,
        completed_at=run.completed_at,
        callback_url=record.callback.url if record.callback else None,
        callback_sent_at=record.callback_sent_at,
        callback_status_code=record.callback_status_code,
        callback_error=record.callback_error,
        ttft_ns=record.ttft_ns,
        total_duration_ns=record.duration_ns,
    )


def usage_to_wire(usage: Usage) -> UsageState:
    """The tokens of a run."""
    return UsageState(**_usage(usage))


def step_to_wire(step: StepRecord) -> StepState:
    """A step."""
    provider, _, model = step.model.partition("/")
    return StepState(
        id=step.id,
        run_id=step.run_id,
        agent_id=step.agent_id,
        provider_name=provider,
        model=model or step.model,
        model_handle=step.model,
        context_window_limit=step.context_window_limit,
        cached_input_tokens=step.usage.cached_input_tokens,
        cache_write_tokens=step.usage.cache_write_tokens,
        reasoning_tokens=step.usage.reasoning_tokens,
        stop_reason=step.stop_reason,
        status=step.status,
        error_type=step.error_type,
        error_data=None if step.error_message is None else {"message": step.error_message},
        feedback=step.feedback,
        tags=list(step.tags),
        **_usage(step.usage),
    )


def metrics_to_wire(step: StepRecord) -> StepMetrics:
    """How long a step took."""
    since = step.started_at - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since.days * 86_400 + since.seconds
    return StepMetrics(
        id=step.id,
        run_id=step.run_id,
        agent_id=step.agent_id,
        step_start_ns=seconds * NANOSECONDS + since.microseconds * 1_000,
        llm_request_ns=step.llm_ns,
        step_ns=step.step_ns,
    )


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "completion_tokens": usage.completion_tokens,
        "prompt_tokens": usage.prompt_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": PromptDetails(
            cached_tokens=usage.cached_input_tokens,
            cache_read_tokens=usage.cached_input_tokens,
            cache_creation_tokens=usage.cache_write_tokens,
        ),
        "completion_tokens_details": CompletionDetails(reasoning_tokens=usage.reasoning_tokens),
    }
