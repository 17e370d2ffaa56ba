"""Time zones by name: what agents say their days in.

Beside the main path; `wiring` hands it to the engine and the API, which read no files.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@cache
def zone(name: str) -> tzinfo:
    """The time zone of an IANA name; UTC when it is not known here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
