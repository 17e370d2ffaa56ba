"""The words a summary may not lose: names, numbers, dates, addresses, identifiers, quotes.

Path: core.summarize. They are taken from the text by code, so that what a model wrote about it can
be checked without asking another model. Pure.
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


def _folded(text: str) -> str:
    return "".join(text.casefold().split())
