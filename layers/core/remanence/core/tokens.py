"""Estimating tokens without a tokenizer, and correcting the estimate by what providers report.

Tokenizers weigh tens of megabytes and differ by model. A rule by script gives a first figure; the
last reported usage anchors the next one, which then errs by a percent or less. Pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, assert_never

from remanence.core.exchange import Image, Reasoning, Text, ToolCall, ToolReturn
from remanence.core.types import TokenAnchor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remanence.core.exchange import Part, Request

# An image at the usual size; providers count 85 to 1,600 by size and detail.
IMAGE_TOKENS = 1_000
# What a message costs beside its words: its role and separators.
MESSAGE_TOKENS = 4
# What a tool costs beside its schema.
TOOL_TOKENS = 8
# The first request of a conversation has no anchor: rather too much than too little.
FIRST_MARGIN = 1.15
# How fast the ratio of reported to estimated tokens follows the newest report.
SMOOTHING = 0.3
# Keeps one odd report (a provider that counts nothing, or everything twice) from ruling.
LEAST_RATIO, MOST_RATIO = 0.25, 4.0

# Classes of characters and what a run of each costs. Figures fit o200k on prose of these scripts;
# English words are mostly one token, long ones about one per seven letters.
_RUNS = re.compile(
    r"([A-Za-z]+)|([0-9]+)|([\u0370-\u052f]+)|([\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]+)"
    r"|([\u3040-\u30ff]+)|([\u0530-\u06ff]+)|([\u0900-\u0eff]+)|([\u00c0-\u024f]+)|(\n+)|([ \t]+)"
    r"|([!-/:-@\[-`{-~]+)|(.)",
    re.DOTALL,
)
_COMMON_WORD_CHARS = 11
_LETTERS_PER_TOKEN = 7.0


def estimate_text(text: str) -> int:
    """About how many tokens a text has; 0 for an empty one."""
    if not text:
        return 0
    total = 0.0
    for match in _RUNS.finditer(text):
        kind = match.lastindex or 0
        total += _COSTS[kind](match.end() - match.start())
    return max(1, round(total))


def _word(length: int) -> float:
    return 1.0 if length <= _COMMON_WORD_CHARS else length / _LETTERS_PER_TOKEN


_COSTS: dict[int, Callable[[int], float]] = {
    1: _word,
    2: lambda n: -(-n // 3),  # digits go in threes
    3: lambda n: n / 3.2,  # Greek, Cyrillic
    4: lambda n: n * 0.75,  # Han and Hangul, by character
    5: lambda n: n * 0.72,  # kana
    6: lambda n: n / 2.6,  # Armenian, Hebrew, Arabic
    7: lambda n: n / 2.2,  # Indic scripts, Thai, Lao
    8: lambda n: n * 0.5,  # letters with accents cut a word in two
    9: lambda _: 1.0,  # line ends
    10: lambda n: 0.0 if n == 1 else 1.0,  # one blank belongs to the word after it
    11: lambda n: n * 0.6,  # signs come in pairs and triples
    12: lambda n: n * 1.6,  # emoji and what else there is
}


def estimate_parts(parts: Sequence[Part]) -> int:
    """About how many tokens one message of these parts has, its own overhead included."""
    return MESSAGE_TOKENS + sum(_part(part) for part in parts)


def _part(part: Part) -> int:
    match part:
        case Text() | Reasoning():
            return estimate_text(part.text)
        case Image():
            return IMAGE_TOKENS
        case ToolCall():
            return MESSAGE_TOKENS + estimate_text(part.name) + estimate_text(part.arguments)
        case ToolReturn():
            return MESSAGE_TOKENS + estimate_text(part.text)
        case _:
            assert_never(part)


def estimate_request(request: Request) -> int:
    """About how many prompt tokens a request has, tools included."""
    tools = sum(
        TOOL_TOKENS
        + estimate_text(tool.name)
        + estimate_text(tool.description)
        + estimate_text(json.dumps(tool.parameters))
        for tool in request.tools
    )
    turns = sum(estimate_parts(turn.parts) for turn in request.turns)
    return MESSAGE_TOKENS + estimate_text(request.system) + tools + turns


def predict(anchor: TokenAnchor, estimate: int) -> int:
    """What the provider will count for a request of this estimate.

    With an anchor: what it counted last, and the difference at the learned ratio.
    """
    if anchor.prompt_tokens == 0:
        return round(estimate * FIRST_MARGIN * max(anchor.ratio, 1.0))
    return max(1, round(anchor.prompt_tokens + anchor.ratio * (estimate - anchor.estimate)))


def anchored(anchor: TokenAnchor, *, reported: int, estimate: int) -> TokenAnchor:
    """The anchor after a provider reported `reported` tokens for a request of `estimate`."""
    seen = min(MOST_RATIO, max(LEAST_RATIO, reported / max(estimate, 1)))
    ratio = seen if anchor.prompt_tokens == 0 else _smoothed(anchor.ratio, seen)
    return TokenAnchor(prompt_tokens=reported, estimate=estimate, ratio=ratio)


def _smoothed(old: float, new: float) -> float:
    return (1 - SMOOTHING) * old + SMOOTHING * new


def anchor_from_overflow(anchor: TokenAnchor, *, window: int, estimate: int) -> TokenAnchor:
    """The anchor after a provider refused a request of this estimate as longer than the window.

    It counted more than the window, and nothing says how much: believe just above it.
    """
    ratio = max(anchor.ratio, min(MOST_RATIO, window / max(estimate, 1)))
    return TokenAnchor(prompt_tokens=max(window, estimate), estimate=estimate, ratio=ratio)
