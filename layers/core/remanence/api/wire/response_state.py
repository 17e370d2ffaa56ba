"""A response as the OpenAPI document describes it; the routes send it without checking it again."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class ResponseUsage(BaseModel):
    """The tokens of all steps of a response, as the provider counted them."""

    input_tokens: int = Field(description="Tokens of the prompts, the cached ones included.")
    input_tokens_details: dict[str, int] = Field(description="cached_tokens, cache_write_tokens.")
    output_tokens: int = Field(description="Tokens of the replies, reasoning included.")
    output_tokens_details: dict[str, int] = Field(description="reasoning_tokens.")
    total_tokens: int = Field(description="Both together, in tokens.")


class ConversationState(BaseModel):
    """Where a response was said."""

    id: str = Field(description="The conversation's id.")


class ResponseError(BaseModel):
    """Why a response failed."""

    code: str = Field(description="server_error or rate_limit_exceeded.")
    message: str = Field(description="What happened, for people.")


class ResponseState(BaseModel):
    """A run of an agent as OpenAI's response."""

    id: str = Field(description="resp_ and 32 hexadecimal digits: those of the run's id.")
    object: Literal["response"] = Field(description="Always response.")
    created_at: int = Field(description="When it was asked for, in seconds since 1970.")
    model: str = Field(description="The agent, as it was named; its id when read again.")
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"] = (
        Field(description="How it stands; incomplete: a limit of steps or tokens ended it.")
    )
    output: list[dict[str, Any]] = Field(
        description="message, reasoning and function_call items, in the order they were said."
    )
    error: ResponseError | None = Field(description="Why it failed.")
    incomplete_details: dict[str, str] | None = Field(description="reason: the limit.")
    usage: ResponseUsage | None = Field(description="Null while it is not over.")
    conversation: ConversationState | None = Field(description="Where it was said.")
    previous_response_id: str | None = Field(
        description="As it was asked for; null when read again."
    )
    instructions: str | None = Field(description="As asked for; null when read again.")
    metadata: dict[str, Any] = Field(description="What the caller keeps with it.")
    tools: list[dict[str, Any]] = Field(description="The caller's tools.")
    tool_choice: str = Field(description="auto or none.")
    parallel_tool_calls: bool = Field(description="Always true: it is the agent's own setting.")
    background: bool = Field(description="Whether nobody had to wait for it.")
    store: bool = Field(description="Always true.")
    temperature: float | None = Field(description="Always null: the agent's own setting.")
    top_p: float | None = Field(description="Always null: the agent's own setting.")
    text: dict[str, Any] = Field(description="format: always text.")
    truncation: str = Field(description="Always auto: old history is summarized.")
