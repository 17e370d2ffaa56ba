"""What is known about models by their names: windows, vector lengths, refused parameters.

Path: models.context_window, listings, and the request side of each wire.
Pure tables, the longest matching prefix wins. What a server says about itself goes before what
stands here; a name nobody knows is treated like the vendor's newest models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

_Row = TypeVar("_Row")

# Tokens a prompt may hold (the vendors' model pages, November 2026). Where the maximum input is
# smaller than the window, the input counts; where a page could not be found, a smaller sibling.
WINDOWS: Mapping[str, int] = {
    "gpt-3.5-turbo": 16_385,
    "gpt-4": 8_192,
    "gpt-4-turbo": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-4o": 128_000,
    "chatgpt-4o": 128_000,
    "gpt-5": 272_000,
    "gpt-5-chat": 128_000,
    "gpt-5.1-chat": 128_000,
    "gpt-5.2-chat": 128_000,
    "gpt-5.3-chat": 128_000,
    "gpt-5.4": 922_000,
    "gpt-5.4-mini": 272_000,
    "gpt-5.4-nano": 272_000,
    "gpt-5.5": 922_000,
    "gpt-6": 272_000,
    "gpt-6-sol": 922_000,
    "gpt-6.1-sol": 922_000,
    "gpt-6.2-sol": 922_000,
    "gpt-oss": 131_072,
    "o1": 200_000,
    "o1-mini": 128_000,
    "o1-preview": 128_000,
    "o3": 200_000,
    "o4-mini": 200_000,
    "claude-": 200_000,
    "claude-opus-4-7": 1_000_000,
    "claude-opus-4-8": 1_000_000,
    "claude-opus-5": 1_000_000,
    "claude-sonnet-5": 1_000_000,
    "claude-fable-5": 1_000_000,
    "claude-mythos-5": 1_000_000,
    "gemini-": 1_048_576,
    "deepseek-": 128_000,
    "deepseek-v4": 1_000_000,
    "llama-3.1": 131_072,
    "llama-3.3": 131_072,
    "nova-": 300_000,
    "nova-micro": 128_000,
    "nova-premier": 1_000_000,
    "qwen3": 32_768,
}

EMBEDDING_DIMS: Mapping[str, int] = {
    "text-embedding-3-small": 1_536,
    "text-embedding-3-large": 3_072,
    "text-embedding-ada-002": 1_536,
    "gemini-embedding-001": 3_072,
    "text-embedding-004": 768,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1_024,
    "snowflake-arctic-embed": 1_024,
    "all-minilm": 384,
    "bge-m3": 1_024,
    "bge-large": 1_024,
    "bge-base": 768,
    "bge-small": 384,
    "embeddinggemma": 768,
    "qwen3-embedding": 1_024,
    "titan-embed-text-v1": 1_536,
    "titan-embed-text-v2": 1_024,
    "embed-english-v3": 1_024,
    "embed-multilingual-v3": 1_024,
}

_EMBEDDING_WORDS = ("embed", "minilm", "bge-", "gte-", "e5-")
# What else a vendor's list names that takes no part in chat completions with tools.
_NOT_CHAT_WORDS = (
    "aqa",
    "audio",
    "babbage",
    "codex",
    "computer-use",
    "dall-e",
    "davinci",
    "deep-research",
    "guard",
    "image",
    "live",
    "moderation",
    "realtime",
    "search",
    "sora",
    "transcribe",
    "tts",
    "turbo-instruct",
    "veo-",
    "whisper",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAITraits:
    """What is accepted for one of OpenAI's models.

    `effort_with_tools`: "free" to choose, "absent" (refused beside tools), or "none" (must be
    sent as "none" beside tools, leaving it out is refused too). It is chat completions' rule; the
    Responses API is free.
    `phases`: wants to see which of its words were an answer, and which were said on the way.
    """

    temperature: bool = True
    reasons: bool = False
    effort_with_tools: Literal["free", "absent", "none"] = "free"
    phases: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeTraits:
    """What the messages API accepts for one of Anthropic's models.

    A temperature is accepted for none since API version 2026-10-21, which the package sends.
    `thinking`: "no"; "budget" (a number of tokens); "optional" (adaptive, off unless asked
    for); "default" (adaptive, on unless switched off); "always" (adaptive, cannot be off).
    `forces_tools`: False when only `auto` and `none` are accepted as tool choice.
    """

    thinking: Literal["no", "budget", "optional", "default", "always"]
    forces_tools: bool = True
    effort: bool = True


_REASONS = OpenAITraits(temperature=False, reasons=True)
_REASONS_NO_EFFORT = OpenAITraits(
    temperature=False, reasons=True, effort_with_tools="absent", phases=True
)
_REASONS_EFFORT_NONE = OpenAITraits(
    temperature=False, reasons=True, effort_with_tools="none", phases=True
)

# "" is the row of a name that nobody knows. Source: refusals of the API, collected in
# openai-openapi#541 (5.4), litellm#34569 and livekit/agents#7169 (5.6), onyx#15008 (6).
_OPENAI_TRAITS: Mapping[str, OpenAITraits] = {
    "": OpenAITraits(),
    "o1": _REASONS,
    "o3": _REASONS,
    "o4": _REASONS,
    "gpt-5": _REASONS,
    "gpt-5.3-codex": replace(_REASONS, phases=True),
    "gpt-5-chat": OpenAITraits(),
    "gpt-5.1-chat": OpenAITraits(),
    "gpt-5.2-chat": OpenAITraits(),
    "gpt-5.3-chat": OpenAITraits(),
    "gpt-5.4": _REASONS_NO_EFFORT,
    "gpt-5.5": _REASONS_NO_EFFORT,
    "gpt-5.6": _REASONS_EFFORT_NONE,
    "gpt-6": _REASONS_EFFORT_NONE,
}

_BUDGET = ClaudeTraits(thinking="budget", effort=False)
_ALWAYS = ClaudeTraits(thinking="always", forces_tools=False)

# Source: the "what's new" and migration pages of each model on platform.claude.com.
_CLAUDE_TRAITS: Mapping[str, ClaudeTraits] = {
    "": _ALWAYS,
    "claude-3": ClaudeTraits(thinking="no", effort=False),
    "claude-3-7": _BUDGET,
    "claude-opus-4": _BUDGET,
    "claude-sonnet-4": _BUDGET,
    "claude-haiku-4": _BUDGET,
    "claude-opus-4-5": ClaudeTraits(thinking="budget"),
    "claude-opus-4-6": ClaudeTraits(thinking="optional"),
    "claude-sonnet-4-6": ClaudeTraits(thinking="optional"),
    "claude-opus-4-7": ClaudeTraits(thinking="optional"),
    "claude-opus-4-8": ClaudeTraits(thinking="optional"),
    "claude-opus-5": ClaudeTraits(thinking="default"),
    "claude-sonnet-5": ClaudeTraits(thinking="default"),
    "claude-opus-5-5": _ALWAYS,
    "claude-sonnet-5-5": _ALWAYS,
}


def known_window(model: str) -> int | None:
    """Tokens a prompt may hold, or None when the name says nothing."""
    return _best(WINDOWS, model)


def known_dim(model: str) -> int | None:
    """Length of an embedding model's vectors, or None when the name says nothing."""
    return _best(EMBEDDING_DIMS, model)


def openai_traits(model: str) -> OpenAITraits:
    """What is accepted for this model of OpenAI."""
    return _best(_OPENAI_TRAITS, model) or OpenAITraits()


def claude_traits(model: str) -> ClaudeTraits:
    """What the messages API accepts for this model of Anthropic."""
    return _best(_CLAUDE_TRAITS, model) or _ALWAYS


def is_embedding(model: str) -> bool:
    """Whether a name in a list of models is one for embeddings."""
    return any(word in model.lower() for word in _EMBEDDING_WORDS)


def is_chat(model: str) -> bool:
    """Whether a name in a vendor's list of everything can drive an agent."""
    return not is_embedding(model) and not any(w in model.lower() for w in _NOT_CHAT_WORDS)


def _best(rows: Mapping[str, _Row], model: str) -> _Row | None:
    """The row of the longest prefix; the part after the last `/` counts (`org/model`)."""
    name = model.lower().rpartition("/")[2]
    prefixes = [prefix for prefix in rows if name.startswith(prefix)]
    return rows[max(prefixes, key=len)] if prefixes else None
