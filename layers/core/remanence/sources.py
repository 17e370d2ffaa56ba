"""The real clock and the real ids.

Beside the main path; `wiring` hands them to everything that takes time and ids as arguments.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.core.ids import Kind


def now() -> datetime:
    """The time, aware UTC."""
    return datetime.now(UTC)


def new_id(kind: Kind) -> str:
    """A fresh id."""
    return f"{kind}-{uuid.uuid4()}"


def new_token() -> str:
    """A fresh lease token: random, and never shown to anybody."""
    return uuid.uuid4().hex
