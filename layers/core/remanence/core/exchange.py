"""The neutral exchange with a model: what one request says, and what comes back.

Path: core.context builds a `Request`; one module per wire format in `llm/` maps it to the
provider's JSON, and the provider's answer back to `Delta`s and one final `Reply`.
Pure values; a wire that meets a part it does not know raises, it never drops it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from remanence.errors import InvalidRequest

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Plain text said by either side."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image by URL, or inline: `data` is base64 and `media_type` its MIME type."""

    url: str | None = None
    media_type: str | None = None
    data: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """What a reasoning model thought. `signature` must be sent back unchanged to its provider.

    `redacted` holds opaque data that a provider returned instead of readable text.
    """

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model's request to run a tool. `arguments` is the JSON text exactly as it came.

    `waits`: the call is part of a stored approval request and has to be answered before any call
    of its reply runs (core.approvals).
    `refusal`: the call stands beside one that waits, and a tool rule forbade it when it was made:
    what the model will read instead of a return.
    """

    tool_call_id: str
    name: str
    arguments: str
    waits: bool = False
    refusal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReturn:
    """What a tool call gave back. `text` is what the model reads."""

    tool_call_id: str
    name: str
    text: str
    status: Literal["success", "error"] = "success"
    stdout: tuple[str, ...] = ()
    stderr: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's answer to a tool call that waits for one. Stored; never sent to a model."""

    tool_call_id: str
    approve: bool
    reason: str | None = None


Part: TypeAlias = Text | Image | Reasoning | ToolCall | ToolReturn
StoredPart: TypeAlias = Part | Approval
# What each kind of part is called, where parts are written as JSON.
PART_NAMES: dict[type[StoredPart], str] = {
    Text: "text",
    Image: "image",
    Reasoning: "reasoning",
    ToolCall: "tool_call",
    ToolReturn: "tool_return",
    Approval: "approval",
}
TurnRole = Literal["user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One entry of the conversation sent to a model.

    user: Text, Image. assistant: Reasoning, Text, ToolCall in the order they were said.
    tool: ToolReturn only, answering the calls of the assistant turn before it.
    """

    role: TurnRole
    parts: tuple[Part, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the model sees it. `parameters` is a JSON schema object."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Per-agent knobs of a model call. None means: the provider's default."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    parallel_tool_calls: bool = True
    reasoning_effort: str | None = None
    thinking_budget_tokens: int | None = None
    response_format: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One model call, complete.

    Args:
        handle: `provider/model`.
        system: the compiled system part.
        turns: conversation, oldest first; begins with a user turn.
        tools: what the model may call.
        tool_choice: "auto", "required", "none", or the name of the one tool to force.
        cache_key: stable per conversation; providers that route by it keep the prefix warm.
    """

    handle: str
    system: str
    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    settings: ModelSettings = field(default_factory=ModelSettings)
    cache_key: str | None = None

    @property
    def forced_tool(self) -> str | None:
        """The one tool that has to be called, if `tool_choice` names one.

        Raises:
            InvalidRequest: it is not among the tools.
        """
        name = self.tool_choice
        if name in ("auto", "required", "none"):
            return None
        if name not in {spec.name for spec in self.tools}:
            raise InvalidRequest(
                f"tool choice {name!r} is not among the tools", field="tool_choice"
            )
        return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; `prompt_tokens` includes the cached ones."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )


Finish = Literal["stop", "tool_calls", "length", "content_filter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """A fragment of assistant text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    """A fragment of reasoning."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A fragment of a tool call. The first of a call has its `name` and arguments `""`."""

    tool_call_id: str
    name: str | None = None
    arguments: str = ""


Delta: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model answered, whole. `parts` in the order said; ToolCall ids are never empty."""

    parts: tuple[Part, ...]
    finish: Finish
    usage: Usage | None = None
    model: str | None = None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of the reply, in order."""
        return tuple(p for p in self.parts if isinstance(p, ToolCall))

    @property
    def text(self) -> str:
        """The text of the reply, joined."""
        return "".join(p.text for p in self.parts if isinstance(p, Text))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that may be named in `Request.handle`.

    Args:
        handle: `provider/model`.
        model: the provider's own name for it.
        provider: the first part of the handle.
        provider_type: the protocol's name for the kind of provider (`openai`, `google_ai`, ...).
        context_window: tokens a prompt may hold.
        endpoint: where it is served; None when it runs in this process.
        display_name: a name for people.
        is_tenants: it is called with a key of the asker's own.
    """

    handle: str
    model: str
    provider: str
    provider_type: str
    context_window: int
    endpoint: str | None = None
    display_name: str | None = None
    is_tenants: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingInfo:
    """A model that turns texts into vectors; the fields it shares with `ModelInfo` mean the same.

    `embedding_dim` is the length of its vectors; None when only a call would tell.
    """

    handle: str
    model: str
    provider: str
    provider_type: str
    embedding_dim: int | None
    endpoint: str | None = None
