"""Instants from callers, and for them."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

# A year less on both sides than can be counted: an instant is still one in every zone, and with
# what is added to it or taken from it while it is searched for.
_FIRST_YEAR, _LAST_YEAR = 2, 9998


def in_utc(moment: datetime) -> datetime:
    """The same instant in UTC, which one without an offset is in.

    Raises:
        ValueError: it is too far away to be counted with.
    """
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# Whatever offset it came with, it is UTC from here on; without one, UTC is meant.
Instant = Annotated[datetime, AfterValidator(in_utc)]
