"""Opaque proofs of thought that belong to one provider and mean nothing to another.

Anthropic's travel as they are (`Reasoning.signature`, `Reasoning.redacted`). Gemini's hang on a
tool call; they travel as a redacted Reasoning before that call, marked, so that an agent whose
model is changed does not show them to somebody else.
Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.core.exchange import Reasoning

_GEMINI = "gemini:"
# What Gemini accepts in place of a signature for a call that it did not make itself.
# Source: ai.google.dev/gemini-api/docs/thought-signatures.
GEMINI_STAND_IN = "skip_thought_signature_validator"


def mark_gemini(signature: str) -> str:
    """A tool call's signature, as `Reasoning.redacted` holds it."""
    return _GEMINI + signature


def gemini_signature(reasoning: Reasoning) -> str | None:
    """The signature for the tool call that follows, or None when this is something else."""
    data = reasoning.redacted or ""
    return data.removeprefix(_GEMINI) if data.startswith(_GEMINI) else None
