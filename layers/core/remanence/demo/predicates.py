"""What English predicates mean: patterns of what follows a verb, and the key each stands for.

Path: demo.facts -> read_predicate. Pure. To teach the demonstration a new sentence, add a row to
`_IS`, or a reader for another verb.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from remanence.demo.vocabulary import (
    CANONICAL,
    HABITS,
    LEMMAS,
    NOT_NAMES,
    PETS,
    RELATIONS,
    words,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A key and a value. `is_whole`: the key names its owner already; `is_gone`: no longer so."""

    key: str
    value: str
    is_gone: bool = False
    is_whole: bool = False


# Reads what follows a verb (trimmed), said of an owner ("" is the speaker).
_Reader: TypeAlias = Callable[[str, str], Iterator[Found]]

_DATE = (
    r"(?:on )?((?:the )?\d{1,2}(?:st|nd|rd|th)?(?: of)? [A-Z]\w+(?:,? \d{4})?"
    r"|[A-Z]\w+ (?:the )?\d{1,2}(?:st|nd|rd|th)?(?:,? \d{4})?|\d{1,4}[./-]\d{1,2}(?:[./-]\d{1,4})?)"
)
_NATION = (
    r"([A-Z]\w+(?:ese|ish)|(?:South |New )?[A-Z]\w+(?:ican|adian|exican|alian|nian|sian|dian|zian"
    r"|lian|tian|kian|rian|gian|vian|eyan|inian|ealander)|French|German|Greek|Dutch|Swiss|Czech"
    r"|Thai|Korean|Iraqi|Israeli|Pakistani|Filipino|Moroccan|Belgian|Norwegian|Chilean)"
)
_PROPER = (
    r"((?:(?:Dr|Mr|Mrs|Ms|Prof)\.? )?[A-Z][\w'-]+"
    r"(?: (?:van|von|de|da|dos|del|der|di|bin|al|[A-Z][\w'.-]*))*)"
)
_SOMEONE = re.compile(rf"(?:[\w-]+ )*(?:{RELATIONS}|{PETS})", re.IGNORECASE)
_PET = re.compile(rf"(?:[\w-]+ )*(?:{PETS})", re.IGNORECASE)

# What may follow "is" or "am", in the order tried; the value is group 1.
_IS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, 0 if "[A-Z]" in pattern else re.IGNORECASE), key)
    for pattern, key in (
        (r"(?:called|named) (.+)", "name"),
        (r"(?:\w+ly )?from (.+)", "origin"),
        (r"(?:\w+ly |very )?allergic to (.+)", "allergy"),
        (r"(.+?)[- ]intolerant", "allergy"),
        (r"(\d{1,3})(?:[ -]years?[ -]old| yo)?", "age"),
        (rf"born {_DATE}", "birthday"),
        (r"born in (\d{4})", "birth year"),
        (r"born (?:and raised )?in (.+)", "origin"),
        (r"(?:based|living|located|staying) in (.+)", "home"),
        (r"(?:working|employed) (?:at|for|by) (.+)", "employer"),
        (r"studying (.+)", "studies"),
        (r"learning (.+)", "learns"),
        (r"(?:into|fond of|crazy about|keen on|interested in|passionate about) (.+)", "likes"),
        (r"an? (?:\w+ )?(?:fan|lover) of (.+)", "likes"),
        (r"(?:married|engaged) to (.+)", "partner's name"),
        (r"(married|engaged|single|divorced|widowed|retired|pregnant|unemployed)", "status"),
        (r"(?:an? )?(vegetarian|vegan|pescatarian|teetotal\w*|c(?:o)?eliac|diabetic)", "diet"),
        (_NATION, "nationality"),
    )
)

_JOB = re.compile(
    r"(?P<job>[^,]+?)(?: (?:at|for|with) (?P<employer>[^,]+?))?(?:,? (?:who is )?from (?P<origin>"
    r"[A-Z][^,]*?))?(?:,? (?:and |who )?(?:based|living|lives|live) in (?P<home>[A-Z].*))?",
)
_JOB_HEAD = re.compile(
    r"\w*(?:er|or|ist|ian|ant|ent|man|woman|chef|cook|nurse|pilot|clerk|judge|coach|guide|vet"
    r"|smith|lead|head|dev|ceo|cto|mechanic|critic|analyst|tutor|priest|monk|intern)",
    re.IGNORECASE,
)
_NO_JOB = words(
    "father mother brother sister daughter person lover beginner owner member number parent "
    "believer partner winner loser newcomer stranger customer user human teenager vegetarian "
    "libertarian giant patient labrador terrier retriever pointer setter"
)
# What one has for an hour, or only as a figure of speech.
_PASSING = re.compile(
    r"\b(?:questions?|problems?|ideas?|meeting|appointment|headache|cold|feeling|look|point|doubt"
    r"|call|lot to|request|exam|interview|date|chance|minutes?|hours?|moment)\b"
)
_VAGUE = re.compile(r"(?:you|your|it|this|that|them|him|her|to (?:know|ask|see)|help|a break)\b")


def read_predicate(verb: str, rest: str, owner: str, *, negated: bool) -> Iterator[Found]:
    """What one predicate says.

    Args:
        verb: a form of `vocabulary.FORMS`, lower case.
        rest: what follows it, trimmed.
        owner: whom it is said of: "" for the speaker, else "sister", "dog's name" ...
        negated: after "do not", "never" or "no longer".
    """
    lemma = LEMMAS[verb]
    if not rest or _VAGUE.match(rest):
        return
    if negated:
        yield from _denied(lemma, rest, owner)
    else:
        yield from _READERS[lemma](rest, owner)


def _denied(lemma: str, rest: str, owner: str) -> Iterator[Found]:
    """A dislike, an abstention, and that the opposite is over if it was known."""
    yield from (replace(found, is_gone=True) for found in _READERS[lemma](rest, owner))
    if lemma == "like":
        yield Found("dislikes", rest)
    elif lemma in {"eat", "drink", "have", "speak", "drive"}:
        yield Found(f"doesn't {lemma}", rest)


def _is(rest: str, owner: str) -> Iterator[Found]:
    is_someone = not owner or _SOMEONE.fullmatch(owner.rsplit("'s ", 1)[-1])
    if not is_someone:
        value = re.sub(r"^(?:on|at|in) (?=\S)", "", rest)
        yield Found(CANONICAL.get(owner.lower(), owner), value, is_whole=True)
        return
    for pattern, key in _IS:
        match = pattern.fullmatch(rest)
        if match is not None:
            yield Found(key, match.group(1))
            return
    yield from _is_somebody(rest, owner)


def _is_somebody(rest: str, owner: str) -> Iterator[Found]:
    """A name, an occupation, or both: "Ada, a nurse from Porto"."""
    first, *others = re.split(r", (?:and )?| (?=from )", rest)
    if re.fullmatch(_PROPER, first) and first.lower().split(" ")[0] not in NOT_NAMES:
        yield Found("name", first)
        for other in others:
            yield from _is(other, owner)
    elif match := re.fullmatch(r"working as (?:an? )?(.+)", rest, re.IGNORECASE):
        yield from _job(match.group(1))
    elif match := re.fullmatch(r"(?:an?|the) (.+)", rest, re.IGNORECASE):
        yield from _is_a(rest, match.group(1), owner)


def _is_a(rest: str, what: str, owner: str) -> Iterator[Found]:
    if re.match(r"(?:bit|little|lot|few|couple|question|problem)\b", what):
        return
    head = re.split(r" (?:at|for|with|from|in|who|of|living|based)\b|,", what)[0].split(" ")[-1]
    if _JOB_HEAD.fullmatch(head) and head.lower() not in _NO_JOB and not _PET.fullmatch(owner):
        yield from _job(what)
    else:
        yield Found(owner, rest, is_whole=True) if owner else Found("is", rest)


def _job(what: str) -> Iterator[Found]:
    match = _JOB.fullmatch(re.sub(r"^(?:an?|the) ", "", what, flags=re.IGNORECASE))
    if match is not None:
        yield from (Found(key, value) for key, value in match.groupdict().items() if value)


def _born(rest: str, owner: str) -> Iterator[Found]:
    if rest.startswith("born"):
        yield from _is(rest, owner)


def _work(rest: str, _owner: str) -> Iterator[Found]:
    if match := re.fullmatch(r"as (.+)", rest):
        yield from _job(match.group(1))
    elif match := re.fullmatch(r"(?:at|for) (.+?)(?:,? as (.+))?", rest):
        yield Found("employer", match.group(1))
        yield from _job(match.group(2) or "")
    elif match := re.fullmatch(r"in (.+)", rest):
        yield Found("line of work", match.group(1))


def _have(rest: str, _owner: str) -> Iterator[Found]:
    rest = rest.removeprefix("got ")
    named = re.fullmatch(
        r"(?:an?|one) (?P<what>[\w -]+?),? (?:(?:and )?(?:whose|his|her|its|the) name is"
        r"|(?:that|who|which) is (?:called|named)|called|named|by the name of) (?P<name>.+)",
        rest,
    )
    allergy = re.fullmatch(r"(?:an? (?:\w+ )?allergy to (.+)|an? (.+) allergy)", rest)
    if named:
        last = named["what"].split(" ")[-1]
        what = last if _SOMEONE.fullmatch(last) else named["what"]
        yield Found(f"{what}'s name", named["name"])
    elif allergy:
        yield Found("allergy", allergy.group(1) or allergy.group(2))
    elif re.match(r"(?:an?|one|two|three|four|five|six|\d+|several|many) ", rest) and (
        not _PASSING.search(rest)
    ):
        yield Found("has", rest)


def _by_pattern(pattern: str, key: str) -> _Reader:
    """A reader of one shape: group 1 is the value of `key`."""
    compiled = re.compile(pattern)

    def read(rest: str, _owner: str) -> Iterator[Found]:
        if match := compiled.fullmatch(rest):
            yield Found(key, match.group(1))

    return read


_READERS: dict[str, _Reader] = {
    "be": _is,
    "was": _born,
    "live": _by_pattern(r"(?:in|at|near|on|over in) (.+?)(?: (?:with|for|near) .+)?", "home"),
    "move": _by_pattern(
        r"(?:back )?(?:from .+? )?to (.+?)(?: (?:with|for|from|last|this|in|on|two|three|a) .+"
        r"| yesterday| today)?",
        "home",
    ),
    "work": _work,
    "have": _have,
    "come": _by_pattern(r"(?:\w+ly )?from ([A-Z].+)", "origin"),
    "grew": _by_pattern(r"up in (.+)", "origin"),
    "turned": _by_pattern(r"(\d{1,3})(?: .*)?", "age"),
    "go": _by_pattern(r"by ([A-Za-z][\w' -]*)", "name"),
    "like": _by_pattern(r"(.+)", "likes"),
    "prefer": _by_pattern(r"(.+)", "prefers"),
    "dislike": _by_pattern(r"(.+)", "dislikes"),
} | {base: _by_pattern(r"((?!to ).+)", third) for base, third in HABITS.items()}
