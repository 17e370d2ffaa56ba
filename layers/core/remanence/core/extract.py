"""A summary made by code: the sentences of a text that carry the most, verbatim and in order.

Used where no model may be called (a full window in the middle of a step) and where a model's
summary cannot be trusted. Pure and deterministic.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from remanence.core.exchange import Approval, Image, Reasoning, Text, ToolCall, ToolReturn
from remanence.core.history import is_note
from remanence.core.summaries import Summary
from remanence.core.tokens import estimate_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remanence.core.types import Message

# Ends of sentences, Latin and CJK, and line ends.
_SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?。！？]+|\n|$)")  # noqa: RUF001
# What makes a sentence worth keeping: numbers and dates, names, quoted words, addresses,
# identifiers. Each kind found counts once.
_ANCHORS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\d",
        r"(?<!^)(?<![.!?] )\b[A-Z][a-z]+",
        r"[\"“”«»「」'`].{2,60}?[\"“”«»「」'`]",
        r"https?://|\w@\w|/\w+/",
        r"\b\w+[_-]\w+\b|\b[a-z]+[A-Z]\w*",
        r"(?i)\b(?:my|i am|i'm|always|never|remember|prefer|like|love|hate|allergic|birthday)\b",
    )
)
_WORD = re.compile(r"\w+")
NOTHING = "(nothing was said)"


def extract_summary(items: Sequence[Message] | Sequence[Summary], budget_tokens: int) -> str:
    """The weightiest sentences of messages or of older summaries, in their order.

    Args:
        items: what is summarised, oldest first.
        budget_tokens: the most it may fill; at least one clipped line comes back all the same.

    Returns:
        One line per sentence, `speaker: sentence`; every sentence is verbatim.
    """
    lines = [line for item in items for line in _lines_of(item)]
    if not lines:
        return NOTHING
    if sum(estimate_text(line) + 1 for line in lines) <= budget_tokens:
        return "\n".join(lines)
    ranked = sorted(range(len(lines)), key=lambda place: (-_weight(lines, place), place))
    chosen: set[int] = set()
    left = budget_tokens
    for place in ranked:
        cost = estimate_text(lines[place]) + 1
        if cost <= left:
            chosen.add(place)
            left -= cost
    if not chosen:
        best = lines[ranked[0]]
        return best[: max(40, budget_tokens * 2)]
    return "\n".join(lines[place] for place in sorted(chosen))


def said_in(items: Sequence[Message] | Sequence[Summary]) -> str:
    """What was said in messages or summaries, tool returns aside: those can be called again."""
    return "\n".join(text for item in items for text in _texts_of(item))


def _texts_of(item: Message | Summary) -> list[str]:
    if isinstance(item, Summary):
        return [item.text]
    if is_note(item):
        return []
    return [part.text for part in item.parts if isinstance(part, Text)]


def _lines_of(item: Message | Summary) -> Iterator[str]:
    if isinstance(item, Summary):
        yield from (line for line in item.text.splitlines() if line.strip())
        return
    if is_note(item):  # what it told stands in the blocks, and may be deleted there
        return
    for part in item.parts:
        match part:
            case Text():
                for sentence in sentences(part.text):
                    yield f"{item.role}: {sentence}"
            case ToolCall():
                yield f"{item.role} called {part.name}({part.arguments[:200]})"
            case ToolReturn():
                first = part.text.strip().splitlines()[:1]
                yield f"{part.name} returned: {''.join(first)[:200]}"
            case Image():
                yield f"{item.role}: (an image)"
            case Reasoning() | Approval():
                pass  # neither thoughts nor clicks are history


def sentences(text: str) -> list[str]:
    """The sentences of a text, trimmed; long ones are cut at 400 characters."""
    return [found for match in _SENTENCE.finditer(text) if (found := match.group().strip()[:400])]


def _weight(lines: Sequence[str], place: int) -> float:
    """How much a line carries: its anchors, mildly its rareness and its place (newer, first)."""
    line = lines[place]
    speaker, _, said = line.partition(": ")
    anchors = sum(1 for pattern in _ANCHORS if pattern.search(said))
    spoken_by_user = 1.0 if speaker == "user" else 0.0
    is_call = -2.0 if not said or " called " in speaker else 0.0
    length = min(len(_WORD.findall(said)), 30) / 30
    age = place / len(lines)
    return anchors + spoken_by_user + is_call + length + 0.5 * age
