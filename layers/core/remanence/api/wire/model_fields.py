"""The several ways in which a caller configures a model.

Path: wire/agent_fields.py -> here -> core ModelSettings. `llm_config` and `embedding_config` are
the protocol's old form; what wire/models.py shows can be sent back and means the same.
"""

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from remanence.core.exchange import JsonObject, ModelSettings
from remanence.core.fallbacks import MOST_FALLBACKS
from remanence.errors import InvalidRequest

# Thinking that is switched on without a budget gets the least that providers accept.
_LEAST_THINKING_TOKENS = 1_024


class ResponseFormatFields(BaseModel):
    """The shape a reply shall have."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_schema", "json_object"]

    def to_core(self) -> JsonObject:
        """As the models take it."""
        return self.model_dump(exclude_unset=True) | {"type": self.type}


class ReasoningFields(BaseModel):
    """How much a model reasons."""

    reasoning_effort: str | None = None


class ThinkingFields(BaseModel):
    """Whether a model thinks, and how many tokens it may spend on it."""

    type: Literal["enabled", "disabled"] = "enabled"
    budget_tokens: int | None = Field(default=None, ge=0)


class ModelSettingsFields(BaseModel):
    """Settings of model calls; what a provider adds to these is stored and read back."""

    model_config = ConfigDict(extra="allow")

    provider_type: str | None = Field(
        default=None, description="Without effect: it follows from the model."
    )
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_output_tokens: int | None = Field(
        default=None, ge=1, description="Tokens one reply may hold."
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="Whether one reply may call several tools."
    )
    response_format: ResponseFormatFields | None = None
    reasoning: ReasoningFields | None = None
    thinking: ThinkingFields | None = None
    effort: str | None = Field(
        default=None, description="Another name of reasoning.reasoning_effort."
    )
    fallback_models: list[str] | None = Field(
        default=None,
        max_length=MOST_FALLBACKS,
        description="Asked in this order (provider/model) when the agent's model cannot answer.",
    )

    def applied_to(self, settings: ModelSettings) -> ModelSettings:
        """The settings with what was given; what is null becomes the provider's default."""
        given = self.model_fields_set
        for name in given & {"temperature", "max_output_tokens"}:
            settings = replace(settings, **{name: getattr(self, name)})
        if self.parallel_tool_calls is not None:
            settings = replace(settings, parallel_tool_calls=self.parallel_tool_calls)
        if "response_format" in given:
            wanted = self.response_format
            settings = replace(settings, response_format=wanted.to_core() if wanted else None)
        if self.thinking is not None:
            settings = _with_thinking(settings, self.thinking)
        if "reasoning" in given and not (self.thinking and self.thinking.type == "disabled"):
            effort = self.reasoning.reasoning_effort if self.reasoning else None
            settings = replace(settings, reasoning_effort=effort)
        if self.effort is not None:
            settings = replace(settings, reasoning_effort=self.effort)
        return settings

    def rest(self) -> JsonObject:
        """What was given and is kept as it came."""
        kept: JsonObject = dict(self.model_extra or {})
        if self.fallback_models:
            kept["fallback_models"] = [*self.fallback_models]
        return kept


def _with_thinking(settings: ModelSettings, thinking: ThinkingFields) -> ModelSettings:
    if thinking.type == "disabled":
        return replace(settings, thinking_budget_tokens=None, reasoning_effort="none")
    effort = None if settings.reasoning_effort == "none" else settings.reasoning_effort
    budget = thinking.budget_tokens or _LEAST_THINKING_TOKENS
    return replace(settings, thinking_budget_tokens=budget, reasoning_effort=effort)


class LlmConfigFields(BaseModel):
    """A model and its settings in the protocol's old form; fields without behaviour are ignored."""

    model: str
    model_endpoint_type: str | None = None
    provider_name: str | None = None
    handle: str | None = None
    context_window: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1)
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    enable_reasoner: bool | None = None
    max_reasoning_tokens: int | None = Field(default=None, ge=0)
    response_format: ResponseFormatFields | None = None

    def to_handle(self) -> str:
        """The model's handle.

        Raises:
            InvalidRequest: neither a handle nor a provider is named.
        """
        return self.handle or _handle(
            self.provider_name or self.model_endpoint_type, self.model, "llm_config"
        )

    def applied_to(self, settings: ModelSettings) -> ModelSettings:
        """The settings with what was given; null is no value here."""
        given: dict[str, Any] = {
            "temperature": self.temperature,
            "max_output_tokens": self.max_tokens,
            "parallel_tool_calls": self.parallel_tool_calls,
            "reasoning_effort": self.reasoning_effort,
            "response_format": self.response_format.to_core() if self.response_format else None,
            "thinking_budget_tokens": self._budget(),
        }
        said = {name: value for name, value in given.items() if value is not None}
        return replace(settings, **said)

    def _budget(self) -> int | None:
        return self.max_reasoning_tokens or None if self.enable_reasoner else None


class EmbeddingConfigFields(BaseModel):
    """An embedding model in the protocol's old form."""

    embedding_model: str
    embedding_endpoint_type: str | None = None
    embedding_dim: int | None = Field(default=None, ge=1)
    embedding_chunk_size: int | None = None
    handle: str | None = None

    def to_handle(self) -> str:
        """The embedding model's handle.

        Raises:
            InvalidRequest: neither a handle nor a provider is named.
        """
        return self.handle or _handle(
            self.embedding_endpoint_type, self.embedding_model, "embedding_config"
        )

    def rest(self) -> JsonObject:
        """What was given and has no behaviour here."""
        kept = {"embedding_dim", "embedding_chunk_size"} & self.model_fields_set
        return {name: getattr(self, name) for name in kept}


def _handle(provider: str | None, model: str, field: str) -> str:
    if not provider:
        raise InvalidRequest(f"{field}: needs a handle (provider/model)", field=field)
    return f"{provider}/{model}"
