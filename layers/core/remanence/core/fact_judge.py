"""Judging the facts that a model read from a span, by code. Pure.

Path: (a model) -> judge_facts -> core.fact_merge. A fact has to stand in the span: its names,
numbers and dates, and the words it is made of. What carries its words is its source, whatever the
model cites, so that a tool's return cannot pass for the user's word.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from remanence.core.anchors import anchors_of, missing_from
from remanence.core.dates import parse_moment
from remanence.core.fact_request import MOST_FACTS
from remanence.core.facts import KINDS, Fact, Trust, gist_of, key_of, lowest
from remanence.core.json_text import UnreadableJson, read_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, tzinfo

    from remanence.core.exchange import JsonObject, JsonValue, Reply
    from remanence.core.fact_request import Line

MAX_TEXT_CHARS = 400
MAX_ENTITIES = 8
MAX_NAME_CHARS = 80
# Of a fact's words, those that its sources have to carry. Below it, the model has made it up; a
# fact is told in other words than it was said, so it cannot be all of them.
LEAST_CARRIED = 0.4
# Words shorter than this carry nothing (Latin script); others count from one sign on.
LEAST_WORD_CHARS = 3
# How far from what is said a time of validity may lie.
FURTHEST = timedelta(days=365 * 150)
# What addresses an agent and is no fact about anybody. It is kept, and trusted least.
_INSTRUCTION = re.compile(
    r"(?i)\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|prompt|rule|previous|above)"
    r"|\bsystem prompt\b|\byou (?:must|should|are now|have to)\b|\bfrom now on\b"
    r"|\b(?:act|behave|respond) as\b|\b(?:never|always|do not|don't) (?:tell|reveal|mention|reply"
    r"|answer|obey|say|send|call)\b|</?\w+>|\b(?:the )?(?:assistant|agent) (?:must|should|has to)\b"
)
_TOKEN = re.compile(r"\w+")


def judge_facts(reply: Reply | None, lines: Sequence[Line], *, tz: tzinfo) -> tuple[Fact, ...]:
    """The facts of a reply that hold.

    Args:
        reply: what the model answered; None: nothing.
        lines: what it was shown.
        tz: of dates without a zone.

    Returns:
        At most MOST_FACTS. Nonsense is left out one by one; a reply that is no JSON has none.

    Invariants:
        Every source is a message of the span, and there is one at least.
        Every name, number and date of a fact stands in the span.
        No fact is trusted more than the least trusted of its sources.
    """
    if reply is None or not lines:
        return ()
    try:
        listed = read_object(reply.text).get("facts")
    except UnreadableJson:
        return ()
    items = listed if isinstance(listed, list) else []
    judged = [_judged(item, lines, tz) for item in items[:MOST_FACTS] if isinstance(item, dict)]
    return tuple(fact for fact in judged if fact is not None)


def _judged(item: JsonObject, lines: Sequence[Line], tz: tzinfo) -> Fact | None:
    text = " ".join(_text(item, "text").split())
    if not gist_of(text) or len(text) > MAX_TEXT_CHARS:
        return None
    sources = _sources(text, item.get("sources"), lines)
    if not sources:
        return None
    said_at = [line.said_at for line in sources]
    start, end = _validity(item, min(said_at), tz)
    trusts = [line.trust for line in sources]
    if _INSTRUCTION.search(text):
        trusts.append(Trust.LOW)
    entities = _entities(item.get("entities"), text)
    kind = _text(item, "kind")
    return Fact(
        text=text,
        kind=kind if kind in KINDS else "other",
        key=_key(item, text),
        entities=entities,
        source_ids=tuple(line.message_id for line in sources),
        trust=lowest(*trusts),
        valid_from=start,
        valid_to=end,
        said_at=max(said_at),
    )


def _text(item: JsonObject, name: str) -> str:
    found = item.get(name)
    return found.strip() if isinstance(found, str) else ""


def _sources(text: str, cited: JsonValue, lines: Sequence[Line]) -> list[Line]:
    """The messages that a fact was read from, in order; none: it does not stand in the span.

    To those that the model cites come the ones that hold what they do not: a name, or more of its
    words. One that was cited stays, since nobody knows what else the model took from it.
    """
    given = cited if isinstance(cited, list) else []
    labels = {label for label in given if isinstance(label, str)}
    chosen = {line.label for line in lines if line.label in labels}
    if not chosen:
        return []
    for anchor in anchors_of(text):
        holders = [line for line in lines if not missing_from(line.text, (anchor,))]
        if not holders and not _is_the_user(anchor):
            return []
        if holders and not any(line.label in chosen for line in holders):
            chosen.add(holders[0].label)
    words = _words(text)
    together = set[str]().union(*(_words(line.text) for line in lines if line.label in chosen))
    best = max(lines, key=lambda line: len(words & _words(line.text)))
    if len(words & _words(best.text)) > len(words & together):
        chosen.add(best.label)
        together |= _words(best.text)
    if len(words & together) < LEAST_CARRIED * len(words):
        return []
    return [line for line in lines if line.label in chosen]


def _is_the_user(anchor: str) -> bool:
    return anchor.casefold().startswith("user")


def _words(text: str) -> set[str]:
    """What is compared: beginnings of words, so that other endings do not count."""
    return {
        word[:4] if word.isascii() else word
        for word in _TOKEN.findall(text.casefold())
        if (len(word) >= LEAST_WORD_CHARS or not word.isascii()) and word not in _SAID_OF_ANYBODY
    }


# Words of a fact that nobody has to have said for it to be true.
_SAID_OF_ANYBODY = frozenset(
    {"the", "user", "user's", "and", "has", "have", "was", "were", "their", "his", "her", "that"}
)


def _entities(value: JsonValue, text: str) -> tuple[str, ...]:
    """The names that stand in the fact itself."""
    given = value if isinstance(value, list) else []
    names = [name.strip() for name in given if isinstance(name, str)]
    kept = [
        name
        for name in names
        if name and len(name) <= MAX_NAME_CHARS and not missing_from(text, (name,))
    ]
    return tuple(dict.fromkeys(kept))[:MAX_ENTITIES]


def _key(item: JsonObject, text: str) -> str | None:
    """What the fact is about, if it says so itself: the subject must stand in it."""
    subject, attribute = _text(item, "subject"), _text(item, "attribute")
    if not subject or not attribute or max(len(subject), len(attribute)) > MAX_NAME_CHARS:
        return None
    if missing_from(text, (subject,)):
        return None
    return key_of(subject, attribute)


def _validity(item: JsonObject, said_at: datetime, tz: tzinfo) -> tuple[datetime, datetime | None]:
    """From when to when: as the model worked out, if that can be; else since it was said."""
    start = _moment(item, "valid_from", said_at, tz) or said_at
    end = _moment(item, "valid_to", said_at, tz)
    return (start, end) if end is None or end > start else (said_at, None)


def _moment(item: JsonObject, name: str, said_at: datetime, tz: tzinfo) -> datetime | None:
    try:
        moment = parse_moment(_text(item, name), now=said_at, tz=tz, is_end=False)
    except ValueError:
        return None
    return moment if abs(moment - said_at) <= FURTHEST else None
