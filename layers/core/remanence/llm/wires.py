"""The wires there are, and which one a provider speaks.

Path: models.Models -> open_wire -> one of the *_wire modules. Nothing is connected yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from remanence.llm.anthropic_wire import AnthropicWire
from remanence.llm.bedrock_wire import BedrockWire
from remanence.llm.openai_wire import OpenAIWire

if TYPE_CHECKING:
    from remanence.llm.vendors import Provider

EmbeddingWire: TypeAlias = OpenAIWire | BedrockWire
AnyWire: TypeAlias = EmbeddingWire | AnthropicWire


def open_wire(provider: Provider) -> AnyWire:
    """The wire of a provider."""
    match provider.vendor.wire:
        case "openai":
            return OpenAIWire(provider)
        case "anthropic":
            return AnthropicWire(provider)
        case "bedrock":
            return BedrockWire(provider)


def embeds(wire: AnyWire) -> bool:
    """Whether there are embeddings on this wire."""
    return not isinstance(wire, AnthropicWire)
