"""The messages of the protocol as types, for the OpenAPI document.

wire/messages.py makes them as plain objects; a test compares the two.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from remanence.api.wire.instants import Instant
from remanence.api.wire.problems import EVENT_STREAM, PROVIDER_PROBLEMS, UNSERVED


class _Message(BaseModel):
    """What all messages have."""

    id: str = Field(description="The message's id; the parts of one reply share it.")
    date: Instant = Field(description="When it was said; whole seconds.")
    name: str | None
    otid: str | None = Field(description="Tells the parts of a message apart.")
    sender_id: str | None
    step_id: str | None
    is_err: bool | None
    seq_id: int | None = Field(description="Its place in a stream that can be resumed.")
    run_id: str | None


class ToolCallFields(BaseModel):
    """A call of a tool."""

    name: str
    arguments: str = Field(description="JSON, as the model wrote it.")
    tool_call_id: str


class ToolReturnFields(BaseModel):
    """What a tool gave back."""

    type: Literal["tool"]
    tool_return: str
    status: Literal["success", "error"]
    tool_call_id: str
    stdout: list[str] | None
    stderr: list[str] | None


class SystemMessage(_Message):
    """Said by the system."""

    message_type: Literal["system_message"]
    content: str


class UserMessage(_Message):
    """Said by a user: a text, or texts and images."""

    message_type: Literal["user_message"]
    content: str | list[dict[str, Any]]


class AssistantMessage(_Message):
    """Said by the agent."""

    message_type: Literal["assistant_message"]
    content: str


class ReasoningMessage(_Message):
    """Thought by the model."""

    message_type: Literal["reasoning_message"]
    source: Literal["reasoner_model", "non_reasoner_model"]
    reasoning: str
    signature: str | None


class HiddenReasoningMessage(_Message):
    """Thought by the model, and hidden by its provider."""

    message_type: Literal["hidden_reasoning_message"]
    state: Literal["redacted", "omitted"]
    hidden_reasoning: str | None


class ToolCallMessage(_Message):
    """A call of a tool."""

    message_type: Literal["tool_call_message"]
    tool_call: ToolCallFields
    tool_calls: list[ToolCallFields]


class ToolReturnMessage(_Message):
    """What a tool gave back."""

    message_type: Literal["tool_return_message"]
    tool_return: str
    status: Literal["success", "error"]
    tool_call_id: str
    stdout: list[str] | None
    stderr: list[str] | None
    tool_returns: list[ToolReturnFields]


class ApprovalRequestMessage(_Message):
    """Calls that wait for an approval, or for the caller to run them."""

    message_type: Literal["approval_request_message"]
    tool_call: ToolCallFields
    tool_calls: list[ToolCallFields]


class ApprovalResponseMessage(_Message):
    """The answer to such calls."""

    message_type: Literal["approval_response_message"]
    approvals: list[dict[str, Any]]
    approve: bool | None
    approval_request_id: str | None
    reason: str | None


class CompactionStats(BaseModel):
    """What a compaction did to the context."""

    trigger: str = Field(description="Why: context_window_exceeded.")
    context_window: int = Field(description="Tokens the context may hold.")
    messages_count_before: int
    messages_count_after: int
    context_tokens_before: int | None
    context_tokens_after: int | None


class SummaryMessage(_Message):
    """What stands for messages that left the context."""

    message_type: Literal["summary_message"]
    summary: str
    compaction_stats: CompactionStats | None


class EventMessage(_Message):
    """Messages left the context in this step: sent when include_compaction_messages is set."""

    message_type: Literal["event_message"]
    event_type: Literal["compaction"]
    event_data: CompactionStats


AnyMessage = Annotated[
    SystemMessage
    | UserMessage
    | AssistantMessage
    | ReasoningMessage
    | HiddenReasoningMessage
    | ToolCallMessage
    | ToolReturnMessage
    | ApprovalRequestMessage
    | ApprovalResponseMessage
    | SummaryMessage
    | EventMessage,
    Field(discriminator="message_type"),
]


class StopReasonFields(BaseModel):
    """Why a run ended."""

    message_type: Literal["stop_reason"]
    stop_reason: str


class UsageFields(BaseModel):
    """The tokens of a run."""

    message_type: Literal["usage_statistics"]
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    step_count: int
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    context_tokens: int | None = None
    run_ids: list[str] | None = None


class RunAnswer(BaseModel):
    """What came of a run that was not streamed."""

    messages: list[AnyMessage]
    stop_reason: StopReasonFields
    usage: UsageFields


# For `responses=` of a route: what it answers, without the cost of checking it again.
MESSAGE_LIST: dict[int | str, dict[str, Any]] = {200: {"model": list[AnyMessage]}}
RUN_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "model": RunAnswer,
        "content": EVENT_STREAM,
        "description": "The whole answer, or server-sent events if a stream was asked for.",
    },
    **PROVIDER_PROBLEMS,
    **UNSERVED,
}
