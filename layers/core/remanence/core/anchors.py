"""The words a summary may not lose: names, numbers, dates, addresses, identifiers, quotes.

Path: core.summarize. They are taken from the text by code, so that what a model wrote about it can
be checked without asking another model: what it dropped, and what it made up. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NAME = "[A-Z\u00c0-\u00de\u0410-\u042f][\\w'\u2019]+"
# One pattern per kind, the more telling kinds first. A match may hold an earlier one (a date holds
# numbers): text that was taken is not looked at again.
_KINDS = (
    re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]"),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.]*\w"),
    re.compile(r"\"([^\"\n]{2,60})\"|“([^”\n]{2,60})”|「([^」\n]{1,60})」|《([^》\n]{1,60})》"),
    re.compile(r"`([^`\n]{2,60})`"),
    re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d)?|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"),
    re.compile(r"\b[A-Za-z]*[A-Z][A-Za-z]*-?\d[\w-]*\b|\b\w+(?:[-_]\w+)*[-_]\d\w*\b"),
    re.compile(r"[$€£¥]\s?\d[\d.,]*\d|[$€£¥]\s?\d|\b\d[\d.,:]*\d\b|\b\d{2,}\b"),
    re.compile(r"\b\w+_\w+\b|\b[a-z]+[A-Z]\w*\b"),
    # Words with a capital inside a sentence, and runs of them: names.
    re.compile(f"(?<=[\\w,;:)] ){_NAME}(?: (?:of|de|van|von|der|la) (?=[A-Z]))?(?: {_NAME})*"),
)
_NOT_NAMES = frozenset(
    {"OK", *(f"I{sign}{end}" for sign in "'\u2019" for end in ("m", "ve", "ll", "d"))}
)


def anchors_of(text: str) -> tuple[str, ...]:
    """The anchors of a text, in the order of their first appearance, each once."""
    found: dict[str, int] = {}
    left = text
    for kind in _KINDS:
        for match in kind.finditer(left):
            anchor = next((group for group in match.groups() if group), match.group()).strip()
            if anchor not in _NOT_NAMES:
                found.setdefault(anchor, match.start())
        left = kind.sub(lambda match: " " * len(match.group()), left)
    return tuple(sorted(found, key=lambda anchor: found[anchor]))


def missing_from(summary: str, anchors: Iterable[str]) -> tuple[str, ...]:
    """The anchors that a summary does not hold, case and blanks aside, in their order."""
    haystack = _folded(summary)
    return tuple(anchor for anchor in anchors if _folded(anchor) not in haystack)


def completed(summary: str, missing: Sequence[str], limit_chars: int) -> str:
    """The summary with a last line that names what it left out, as far as the limit goes."""
    line: list[str] = []
    used = len(summary) + len(_ALSO)
    for anchor in missing:
        used += len(anchor) + 2
        if used > limit_chars:
            break
        line.append(anchor)
    return f"{summary}\n{_ALSO}{', '.join(line)}" if line else summary


_ALSO = "Also mentioned: "
# Words with a capital that a summary adds of itself: who spoke, and dates that are spelled out.
_OWN_WORDS = frozenset(
    """
    user assistant system ai january february march april may june july august september october
    november december jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday
    thursday friday saturday sunday
    """.split()  # noqa: SIM905
)
_WORD = re.compile(r"\w+")
_INNER_WORD = re.compile(r"(?<=[\w,;:] )[^\W\d_]\w*")
# Above this share of words with a capital inside sentences, a language writes nouns with one, and
# a capital does not make a name.
_CAPITALS_SHARE = 0.2
_LEAST_WORDS = 30
_ENDS_OF_SENTENCES = re.compile(r"(?<=[.!?])(?=\s)|(?<=[。！？])|(?=\n)")  # noqa: RUF001


def invented_in(summary: str, source: str) -> tuple[str, ...]:
    """The anchors of a summary that its source does not hold: nobody said them.

    Args:
        summary: what a model wrote.
        source: all that it was shown.

    Returns:
        Numbers, addresses and identifiers; names only where a capital makes a name (not in
        German). Words that a summary needs of itself (`User`, the names of months) are no names.
    """
    folded = _folded(source)
    has_names = not _capitalizes_nouns(source)
    return tuple(
        anchor
        for anchor in anchors_of(summary)
        if _folded(anchor) not in folded
        and (has_names or not anchor.replace(" ", "").isalpha())
        and not _is_told(anchor, folded)
    )


def _is_told(anchor: str, folded_source: str) -> bool:
    """Whether every word of it was said, or is one that summaries add."""
    words = _WORD.findall(anchor.casefold())
    return all(word in folded_source or word in _OWN_WORDS for word in words)


def _capitalizes_nouns(text: str) -> bool:
    words = _INNER_WORD.findall(text)
    capitals = sum(1 for word in words if word[0].isupper() and word != "I")
    return capitals > _CAPITALS_SHARE * max(len(words), _LEAST_WORDS)


def without(summary: str, anchors: Sequence[str]) -> str:
    """The summary without the sentences that hold one of these anchors."""
    if not anchors:
        return summary
    kept = [
        sentence
        for sentence in _ENDS_OF_SENTENCES.split(summary)
        if not any(anchor in sentence for anchor in anchors)
    ]
    return "\n".join(line.strip() for line in "".join(kept).splitlines() if line.strip())


def _folded(text: str) -> str:
    return "".join(text.casefold().split())
