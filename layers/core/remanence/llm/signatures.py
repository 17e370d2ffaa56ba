"""Opaque proofs of thought that belong to one provider and mean nothing to another.

Anthropic's travel as they are (`Reasoning.signature`, `Reasoning.redacted`), since they hold at
every cloud that serves its models. All others are marked
with their owner, so that an agent whose model is changed does not show them to somebody else.
Gemini's hang on a tool call; they travel as a redacted Reasoning before that call.
Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.core.exchange import Reasoning

# What Gemini accepts in place of a signature for a call that it did not make itself.
# Source: ai.google.dev/gemini-api/docs/thought-signatures.
GEMINI_STAND_IN = "skip_thought_signature_validator"

_GEMINI = "gemini:"
_OPENAI = "openai:"
_BEDROCK = "bedrock:"
# No proof of Anthropic's holds a colon: they are base64.
_MARKED = re.compile(r"[a-z]+:")


def mark_gemini(signature: str) -> str:
    """A tool call's signature, as `Reasoning.redacted` holds it."""
    return _GEMINI + signature


def gemini_signature(reasoning: Reasoning) -> str | None:
    """The signature for the tool call that follows, or None when this is something else."""
    return _of(_GEMINI, reasoning)


def mark_openai(item_id: str, encrypted: str) -> str:
    """What OpenAI needs to see a thought again: the item's id and its encrypted content."""
    return f"{_OPENAI}{item_id}:{encrypted}"


def openai_item(reasoning: Reasoning) -> tuple[str, str] | None:
    """The id and the encrypted content of a thought of OpenAI's, or None for another's."""
    data = _of(_OPENAI, reasoning)
    if data is None:
        return None
    item_id, _, encrypted = data.partition(":")
    return item_id, encrypted


def mark_bedrock(hidden: str) -> str:
    """A thought that Bedrock does not show, as `Reasoning.redacted` holds it."""
    return _BEDROCK + hidden


def bedrock_proof(reasoning: Reasoning) -> str | None:
    """The hidden thought to send back to Bedrock, or None when this is something else."""
    return _of(_BEDROCK, reasoning)


def anthropic_proof(reasoning: Reasoning) -> str | None:
    """The signature or the opaque data by which Anthropic knows a thought as its own, or None."""
    proof = reasoning.redacted or reasoning.signature
    return None if not proof or _MARKED.match(proof) else proof


def _of(mark: str, reasoning: Reasoning) -> str | None:
    data = reasoning.redacted or reasoning.signature or ""
    return data.removeprefix(mark) if data.startswith(mark) else None
