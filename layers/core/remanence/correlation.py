"""The id by which one request is found again: in logs, in the queue and in the database.

Beside the main path: `aws/` sets it where an event comes in; `wiring` gives it to what sends
messages and statements. It is kept per context, so threads that serve one request share it.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

MOST_CHARS = 64

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def set_correlation_id(raw: str) -> None:
    """From here on in this context; what could end a comment or a log field is left out."""
    _current.set(re.sub(r"[^\w.:=-]", "", raw, flags=re.ASCII)[:MOST_CHARS])


def correlation_id() -> str:
    """The id of the request that is served; empty when it has none."""
    return _current.get()
