"""A chat completion as the OpenAPI document describes it; the route sends it unchecked."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class CompletionMessage(BaseModel):
    """What the agent said."""

    role: Literal["assistant"] = Field(description="Always assistant.")
    content: str | None = Field(description="Its text; null when it only calls tools.")
    refusal: str | None = Field(description="Always null.")
    tool_calls: list[dict[str, Any]] | None = Field(
        default=None, description="Calls of the caller's tools: id, type, function."
    )


class CompletionChoice(BaseModel):
    """The one answer."""

    index: int = Field(description="Always 0.")
    message: CompletionMessage = Field(description="What the agent said.")
    finish_reason: Literal["stop", "length", "tool_calls"] = Field(
        description="length: a limit of steps or tokens ended it."
    )
    logprobs: None = Field(description="Always null.")


class CompletionUsage(BaseModel):
    """The tokens of all steps, as the provider counted them."""

    prompt_tokens: int = Field(description="Tokens of the prompts, the cached ones included.")
    completion_tokens: int = Field(description="Tokens of the replies, reasoning included.")
    total_tokens: int = Field(description="Both together, in tokens.")
    prompt_tokens_details: dict[str, int] = Field(description="cached_tokens.")
    completion_tokens_details: dict[str, int] = Field(description="reasoning_tokens.")


class Completion(BaseModel):
    """A run of an agent as OpenAI's chat completion."""

    id: str = Field(description="chatcmpl- and the run's uuid.")
    object: Literal["chat.completion"] = Field(description="Always chat.completion.")
    created: int = Field(description="When it was asked for, in seconds since 1970.")
    model: str = Field(description="The agent, as it was named.")
    choices: list[CompletionChoice] = Field(description="Always one.")
    usage: CompletionUsage = Field(description="What it cost.")
