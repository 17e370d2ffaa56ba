"""The times that a question names: dates, months, "yesterday", "last week", "三天前". Pure.

Path: core.ranking -> find_spans. A span is where the answer was probably said, not a filter: people
tell of a day on the day, or some days after it.
"""

# ruff: noqa: RUF001  (words of many languages)

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A question that names more days than this is about none of them.
MAX_SPANS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `start` (inclusive) to `end` (exclusive), both aware UTC."""

    start: datetime
    end: datetime


_MONTH_WORDS = """
january jan januar janvier enero января январь
february feb februar février febrero февраля февраль
march mar märz mars marzo марта март
april apr avril abril апреля апрель
may mai mayo мая май
june jun juni juin junio июня июнь
july jul juli juillet julio июля июль
august aug août agosto августа август
september sep sept septembre septiembre сентября сентябрь
october oct oktober okt octobre octubre октября октябрь
november nov novembre noviembre ноября ноябрь
december dec dezember dez décembre diciembre декабря декабрь
"""
_MONTHS = {
    word: number
    for number, line in enumerate(_MONTH_WORDS.strip().splitlines(), start=1)
    for word in line.split()
}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_MONTH = "(?P<month>" + "|".join(sorted(_MONTHS, key=lambda word: -len(word))) + r")\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
# Full dates, most exact first; what one matched is not read again by the next.
_DATES = (
    rf"\b{_YEAR}[-/.](?P<number>\d{{1,2}})[-/.]{_DAY}\b",
    rf"{_YEAR}\s*[年년]\s*(?P<number>\d{{1,2}})\s*[月월]\s*{_DAY}\s*[日号일]",
    rf"\b{_DAY}(?:\s+of|\s+de)?\s+{_MONTH},?(?:\s+de)?\s+{_YEAR}\b",
    rf"\b{_MONTH}\s+{_DAY},?\s+{_YEAR}\b",
    rf"{_YEAR}\s*[年년]\s*(?P<number>\d{{1,2}})\s*[月월]",
    rf"\b{_MONTH},?(?:\s+of|\s+de)?\s+{_YEAR}\b",
    rf"(?<![\d年])(?P<number>\d{{1,2}})\s*[月월]\s*{_DAY}\s*[日号일]",
    rf"\b{_DAY}(?:\s+of)?\s+{_MONTH}",
    rf"\b{_MONTH}\s+{_DAY}\b",
    rf"\b(?:in|last|since|during|im|letzten|en|в)\s+{_MONTH}",
)

_DAYS_BACK = (
    (0, r"\btoday\b|\bthis morning\b|今天|今日|오늘|сегодня|اليوم|\bheute\b|วันนี้"),
    (
        1,
        r"(?<!before )\byesterday\b|\blast night\b|昨天|昨晚|昨日|어제|\bвчера\b|أمس|\bgestern\b"
        r"|\bhier\b|\bayer\b|เมื่อวาน(?!ซืน)",
    ),
    (
        2,
        r"\bday before yesterday\b|前天|一昨日|おととい|그저께|позавчера|\bvorgestern\b|เมื่อวานซืน",
    ),
)
_WEEKS_BACK = (
    (0, r"\bthis week\b|这周|本周|这个星期|今週|이번 주|на этой неделе|\bdiese woche\b|สัปดาห์นี้"),
    (
        1,
        r"\blast week(?:end)?\b|上周|上个星期|上星期|先週|지난 ?주|на прошлой неделе"
        r"|الأسبوع الماضي|\bletzte woche\b|\bla semana pasada\b|สัปดาห์ที่แล้ว|อาทิตย์ที่แล้ว",
    ),
)
_MONTHS_BACK = (
    (0, r"\bthis month\b|这个月|本月|今月|이번 달|в этом месяце|\bdiesen monat\b|เดือนนี้"),
    (
        1,
        r"\blast month\b|上个月|上月|先月|지난 ?달|в прошлом месяце|الشهر الماضي"
        r"|\bletzten monat\b|\bel mes pasado\b|เดือนที่แล้ว",
    ),
)
_YEARS_BACK = (
    (0, r"\bthis year\b|今年|올해|в этом году|\bdieses jahr\b|ปีนี้"),
    (
        1,
        r"\blast year\b|去年|昨年|작년|в прошлом году|العام الماضي|\bletztes jahr\b"
        r"|\bel año pasado\b|ปีที่แล้ว",
    ),
)
_AGO = re.compile(
    r"(?<!\d)(?P<count>\d{1,3}|an?|one|two|three|four|five|six|一|两|二|三|四|五|六|七|八|九|十)\s*(?:个)?\s*"
    r"(?P<unit>days?|weeks?|months?|years?|天|日|周|星期|月|年)\s*(?:ago|之?前)"
)
_COUNTS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "两": 2,
    **{sign: number for number, sign in enumerate("一二三四五六七八九十", start=1)},
}
_UNIT_DAYS = {
    "d": 1,
    "天": 1,
    "日": 1,
    "w": 7,
    "周": 7,
    "星": 7,
    "m": 30,
    "月": 30,
    "y": 365,
    "年": 365,
}


def find_spans(question: str, now: datetime) -> tuple[Span, ...]:
    """The times that a question names, in no particular order; empty when it names none.

    Args:
        question: in English, Chinese, Japanese, Korean, Thai, Russian, Arabic, German, French or
            Spanish; dates in figures in any.
        now: what "yesterday" and "last May" are counted from.
    """
    text = question.lower()
    today = now.astimezone(UTC).date()
    found: dict[Span, None] = {}
    for read in (_dates, _relative, _ago, _weekdays):
        for first, after in read(text, today):
            found[Span(start=_midnight(first), end=_midnight(after))] = None
    return tuple(found)[:MAX_SPANS]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _dates(text: str, today: date) -> Iterator[tuple[date, date]]:
    for pattern in _DATES:
        left = text
        for match in re.finditer(pattern, text):
            span = _date_of(match, today)
            if span is not None:
                yield span
                left = left.replace(match.group(), " ", 1)
        text = left


def _date_of(match: re.Match[str], today: date) -> tuple[date, date] | None:
    """The day or month that a date means; without a year, the latest that has begun."""
    parts = match.groupdict()
    number = parts.get("number")
    month = int(number) if number else _MONTHS[parts["month"]]
    day = int(parts.get("day") or 0)
    try:
        year = int(parts.get("year") or 0)
        first = date(year or today.year, month, day or 1)
        if not year and first > today:
            first = date(today.year - 1, month, day or 1)
        return first, first + timedelta(days=1) if day else _next_month(first)
    except (ValueError, OverflowError):
        return None


def _next_month(first: date) -> date:
    return (first.replace(day=1) + timedelta(days=32)).replace(day=1)


def _relative(text: str, today: date) -> Iterator[tuple[date, date]]:
    monday = today - timedelta(days=today.weekday())
    readings: tuple[tuple[tuple[tuple[int, str], ...], Callable[[int], tuple[date, date]]], ...] = (
        (_DAYS_BACK, lambda back: _days(today - timedelta(days=back), 1)),
        (_WEEKS_BACK, lambda back: _days(monday - timedelta(weeks=back), 7)),
        (_MONTHS_BACK, lambda back: _month_back(today, back)),
        (_YEARS_BACK, lambda back: _year(today.year - back)),
    )
    for words, span_of in readings:
        for back, pattern in words:
            if re.search(pattern, text):
                yield span_of(back)


def _days(first: date, count: int) -> tuple[date, date]:
    return first, first + timedelta(days=count)


def _month_back(today: date, back: int) -> tuple[date, date]:
    first = today.replace(day=1)
    for _ in range(back):
        first = (first - timedelta(days=1)).replace(day=1)
    return first, _next_month(first)


def _year(year: int) -> tuple[date, date]:
    return date(year, 1, 1), date(year + 1, 1, 1)


def _ago(text: str, today: date) -> Iterator[tuple[date, date]]:
    for match in _AGO.finditer(text):
        said = match["count"]
        count = int(said) if said.isdecimal() else _COUNTS[said]
        unit_days = _UNIT_DAYS[match["unit"][0]]
        try:
            middle = today - timedelta(days=count * unit_days)
        except OverflowError:
            continue
        # "Two weeks ago" is not a day: a quarter of the unit to both sides.
        slack = timedelta(days=unit_days // 4)
        yield middle - slack, middle + slack + timedelta(days=1)


def _weekdays(text: str, today: date) -> Iterator[tuple[date, date]]:
    for match in re.finditer(rf"\blast ({'|'.join(_WEEKDAYS)})\b", text):
        back = (today.weekday() - _WEEKDAYS.index(match[1]) - 1) % 7 + 1
        yield _days(today - timedelta(days=back), 1)
