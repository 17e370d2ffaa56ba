"""Dates as models write them, and times as models read them. Pure.

Path: core.search_tools -> here. `now` and the zone are arguments; what leaves is aware UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo


def parse_moment(text: str, *, now: datetime, tz: tzinfo, is_end: bool) -> datetime:
    """The instant that an ISO 8601 date or date and time means.

    Args:
        text: also "now", "today" and "yesterday".
        now: what those are counted from.
        tz: of a text without an offset.
        is_end: a bare date means the last microsecond of that day instead of its first.

    Raises:
        ValueError: it is none of these, or not within the years that can be counted.
    """
    said = text.strip().lower()
    if said == "now":
        return now
    try:
        day = _day(said, now.astimezone(tz).date())
        if day is not None:
            clock = time.max if is_end else time.min
            return datetime.combine(day, clock, tzinfo=tz).astimezone(UTC)
        moment = datetime.fromisoformat(said.upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=tz)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _day(said: str, today: date) -> date | None:
    """The day that a text names, if it names a day and no time."""
    if said in ("today", "yesterday"):
        return today - timedelta(days=1) if said == "yesterday" else today
    try:
        return date.fromisoformat(said)
    except ValueError:
        return None


def timestamp(moment: datetime, tz: tzinfo) -> str:
    """ISO 8601 to the second, with the zone's offset."""
    return moment.astimezone(tz).isoformat(timespec="seconds")


def time_ago(moment: datetime, now: datetime) -> str:
    """How long ago, in its largest whole unit: "16s ago", "5m ago", "3h ago", "2d ago"."""
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"
