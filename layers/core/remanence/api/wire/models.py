"""Models as the protocol shows them, alone and as part of an agent.

Path: routes/models.py lists them; wire/agents.py shows an agent's own. `llm_config` and
`embedding_config` are the protocol's old form: made from the agent when read, taken apart when
written (wire/model_fields.py).
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.core.exchange import EmbeddingInfo, JsonObject, JsonValue, ModelInfo
from remanence.core.types import Agent
from remanence.llm.catalogue import known_dim
from remanence.llm.vendors import VENDORS

# What these providers call reasoning is `thinking` on the wire, with a budget in tokens.
_THINKING_PROVIDERS = frozenset({"anthropic", "bedrock", "moonshot_coding", "zai"})
# V1's default: texts of one embedding, and tokens of a chunk. Nothing is chunked here.
_CHUNK_TOKENS = 300
_EMBED_BATCH = 32

_PROVIDER_TYPES = {prefix: vendor.provider_type for vendor in VENDORS for prefix in vendor.prefixes}


class LlmConfig(BaseModel):
    """How a model is called (the protocol's old form of `model` and `model_settings`)."""

    model: str = Field(description="The provider's name for the model.")
    model_endpoint_type: str = Field(description="The kind of provider.")
    model_endpoint: str | None = Field(default=None, description="Where it is served.")
    provider_name: str | None = Field(default=None, description="The first part of the handle.")
    provider_category: Literal["base", "byok"] | None = Field(
        default="base", description="byok: it is called with the organization's own key."
    )
    handle: str | None = Field(default=None, description="provider/model.")
    context_window: int = Field(description="Tokens one request may hold.")
    temperature: float | None = Field(default=None, description="null: the provider's default.")
    max_tokens: int | None = Field(default=None, description="Tokens one reply may hold.")
    enable_reasoner: bool = Field(
        default=False, description="Whether the model thinks before it answers."
    )
    reasoning_effort: str | None = Field(default=None, description="How much it thinks.")
    max_reasoning_tokens: int = Field(default=0, description="Tokens it may think.")
    effort: str | None = None
    frequency_penalty: float | None = None
    verbosity: str | None = None
    tier: str | None = None
    parallel_tool_calls: bool = Field(
        default=True, description="Whether one reply may call many tools."
    )
    put_inner_thoughts_in_kwargs: bool = False
    response_format: dict[str, Any] | None = None
    strict: bool = False
    compatibility_type: str | None = None
    display_name: str | None = None
    model_wrapper: str | None = None
    return_logprobs: bool = False
    top_logprobs: int | None = None
    return_token_ids: bool = False
    tool_call_parser: str | None = None


class Model(LlmConfig):
    """A model an agent may use."""

    name: str = Field(description="The provider's name for the model.")
    max_context_window: int = Field(description="Tokens one request may hold.")
    provider_type: str = Field(description="The kind of provider.")
    model_type: Literal["llm"] = "llm"


class EmbeddingConfig(BaseModel):
    """How texts become vectors (the protocol's old form of `embedding`)."""

    embedding_endpoint_type: str = Field(description="The kind of provider.")
    embedding_endpoint: str | None = Field(default=None, description="Where it is served.")
    embedding_model: str = Field(description="The provider's name for the model.")
    embedding_dim: int | None = Field(
        default=None, description="Length of a vector; null: not known yet."
    )
    embedding_chunk_size: int | None = Field(
        default=_CHUNK_TOKENS, description="Without effect: a passage is never split."
    )
    handle: str | None = Field(default=None, description="provider/model.")
    batch_size: int = Field(
        default=_EMBED_BATCH, description="Without effect: texts are sent as they come."
    )
    azure_endpoint: str | None = None
    azure_version: str | None = None
    azure_deployment: str | None = None


class EmbeddingModel(EmbeddingConfig):
    """An embedding model an agent may use."""

    name: str = Field(description="The provider's name for the model.")
    display_name: str = Field(description="A name for people.")
    provider_name: str = Field(description="The first part of the handle.")
    provider_type: str = Field(description="The kind of provider.")
    model_type: Literal["embedding"] = "embedding"


def model_to_wire(info: ModelInfo) -> Model:
    """A model of the list."""
    return Model(
        model=info.model,
        name=info.model,
        model_endpoint_type=info.provider_type,
        provider_type=info.provider_type,
        model_endpoint=info.endpoint,
        provider_name=info.provider,
        provider_category="byok" if info.is_tenants else "base",
        handle=info.handle,
        context_window=info.context_window,
        max_context_window=info.context_window,
        display_name=info.display_name or info.model,
    )


def embedding_model_to_wire(info: EmbeddingInfo) -> EmbeddingModel:
    """An embedding model of the list."""
    return EmbeddingModel(
        embedding_endpoint_type=info.provider_type,
        embedding_endpoint=info.endpoint,
        embedding_model=info.model,
        embedding_dim=info.embedding_dim,
        handle=info.handle,
        name=info.model,
        display_name=info.model,
        provider_name=info.provider,
        provider_type=info.provider_type,
    )


def llm_config_of(agent: Agent) -> LlmConfig:
    """The old form of an agent's model and settings."""
    provider, _, name = agent.model.partition("/")
    settings = agent.model_settings
    return LlmConfig(
        model=name,
        model_endpoint_type=provider_type_of(agent.model),
        provider_name=provider,
        handle=agent.model,
        context_window=agent.context_window_limit,
        temperature=settings.temperature,
        max_tokens=settings.max_output_tokens,
        enable_reasoner=bool(settings.thinking_budget_tokens or settings.reasoning_effort),
        reasoning_effort=settings.reasoning_effort,
        max_reasoning_tokens=settings.thinking_budget_tokens or 0,
        parallel_tool_calls=settings.parallel_tool_calls,
        response_format=settings.response_format,
    )


def embedding_config_of(agent: Agent) -> EmbeddingConfig | None:
    """The old form of an agent's embedding model; None when it has none."""
    config = embedding_config_of_handle(agent.next_embedding or agent.embedding)
    return config and config.model_copy(update=_dict(agent.extras.get("embedding_config")))


def embedding_config_of_handle(handle: str | None) -> EmbeddingConfig | None:
    """The old form of an embedding model, with the length of its vectors where its name tells."""
    if handle is None:
        return None
    model = handle.partition("/")[2]
    return EmbeddingConfig(
        embedding_endpoint_type=provider_type_of(handle),
        embedding_model=model,
        embedding_dim=known_dim(model),
        handle=handle,
    )


def settings_to_wire(agent: Agent) -> JsonObject:
    """An agent's `model_settings`, with what was set and has no behaviour here.

    Sent back as it is, it changes nothing.
    """
    settings = agent.model_settings
    provider_type = provider_type_of(agent.model)
    wire: JsonObject = {
        "provider_type": provider_type,
        "temperature": settings.temperature,
        "max_output_tokens": settings.max_output_tokens,
        "parallel_tool_calls": settings.parallel_tool_calls,
        "response_format": settings.response_format,
        "strict": False,
    }
    effort, budget = settings.reasoning_effort, settings.thinking_budget_tokens
    if provider_type in _THINKING_PROVIDERS:
        wire |= {"thinking": None, "effort": None if effort == "none" else effort}
    else:
        wire["reasoning"] = None if effort is None else {"reasoning_effort": effort}
    if budget is not None:
        wire["thinking"] = {"type": "enabled", "budget_tokens": budget}
    elif effort == "none" and provider_type in _THINKING_PROVIDERS:
        wire["thinking"] = {"type": "disabled", "budget_tokens": None}
    return wire | _dict(agent.extras.get("model_settings"))


def provider_type_of(handle: str) -> str:
    """What the protocol calls the kind of provider of a handle."""
    provider = handle.partition("/")[0]
    return _PROVIDER_TYPES.get(provider, provider)


def _dict(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
