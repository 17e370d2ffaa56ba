"""Instants from callers, and for them."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# Whatever offset it came with, it is UTC from here on; without one, UTC is meant.
Instant = Annotated[datetime, AfterValidator(_in_utc)]
