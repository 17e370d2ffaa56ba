"""The demonstration as summariser: the sentences of a transcript with names, numbers and facts.

Path: demo.model, when a request asks for the summary of a compaction. Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from remanence.core.exchange import Text
from remanence.core.extract import extract_summary
from remanence.core.summaries import Summary
from remanence.core.tokens import estimate_text

if TYPE_CHECKING:
    from remanence.core.exchange import Request

# "[2026-11-25 14:03] user: ..." in front of a line of a transcript.
_TIME = re.compile(r"^\[\d{4}-\d\d-\d\d[^\]]*\] ?", re.MULTILINE)
# What a summary may keep of its transcript, and the fewest tokens it may always have.
_SHARE = 3
_LEAST_TOKENS = 48


def asks_for_summary(request: Request) -> bool:
    """Whether this is the model call of a compaction and not a step of an agent."""
    if request.tools or "<memory_blocks>" in request.system:
        return False
    return "summar" in request.system.lower() or _TIME.match(_transcript(request)) is not None


def _transcript(request: Request) -> str:
    return "\n".join(
        part.text for turn in request.turns for part in turn.parts if isinstance(part, Text)
    )


def summarise(request: Request) -> str:
    """The weightiest lines of the transcript, verbatim and in order, a third of it at most."""
    text = _TIME.sub("", _transcript(request))
    budget = max(_LEAST_TOKENS, estimate_text(text) // _SHARE)
    limit = request.settings.max_output_tokens
    whole = Summary(
        id="summary-of-this-request",
        level=0,
        from_seq=1,
        to_seq=1,
        text=text,
        tokens=0,
        model="",
        created_at=datetime.fromtimestamp(0, UTC),
    )
    return extract_summary((whole,), min(budget, limit) if limit else budget)
