"""Facts as English sentences to their owner: "Home: Lisbon" -> "you live in Lisbon". Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from remanence.demo.vocabulary import BASES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.demo.facts import Fact

# Keys that are not said as "your <key> is <value>": for the user, and for somebody else.
_SAID: dict[str, tuple[str, str]] = {
    "home": ("you live in {}", "{} lives in {}"),
    "origin": ("you are from {}", "{} is from {}"),
    "job": ("you work as {a}", "{} works as {a}"),
    "employer": ("you work at {}", "{} works at {}"),
    "line of work": ("you work in {}", "{} works in {}"),
    "age": ("you are {} years old", "{} is {} years old"),
    "birth year": ("you were born in {}", "{} was born in {}"),
    "birthday": ("your birthday is {}", "{}'s birthday is {}"),
    "allergy": ("you are allergic to {}", "{} is allergic to {}"),
    "diet": ("you are {}", "{} is {}"),
    "nationality": ("you are {}", "{} is {}"),
    "status": ("you are {}", "{} is {}"),
    "studies": ("you study {}", "{} studies {}"),
    "is": ("you are {}", "{} is {}"),
}
_OTHERS_KEY = re.compile(r"(?P<owner>.+?)(?:'s|(?<=s)') (?P<key>[^']+)")
_OTHERS_VERB = re.compile(
    rf"(?P<owner>[^']+?) (?P<verb>{'|'.join(BASES)}|doesn't \w+)", re.IGNORECASE
)


def say(fact: Fact) -> str:
    """The fact, said to the user: lower-case start, no full stop."""
    key, value = fact.key.lower(), fact.value
    if key in _SAID:
        return _SAID[key][0].format(value, a=_with_article(value))
    if key in BASES:
        return f"you {BASES[key]} {value}"
    if key.startswith("doesn't "):
        return f"you do not {key.removeprefix('doesn' + chr(39) + 't ')} {value}"
    others = _OTHERS_KEY.fullmatch(fact.key)
    if others is not None and others["key"].lower() in _SAID:
        said = _SAID[others["key"].lower()][1]
        return said.format(f"your {_lower(others['owner'])}", value, a=_with_article(value))
    verb = _OTHERS_VERB.fullmatch(fact.key)
    if verb is not None:
        return f"your {_lower(verb['owner'])} {verb['verb'].lower()} {value}"
    return f"your {_lower(fact.key)} is {value}"


def _with_article(value: str) -> str:
    """A job with its article: "a nurse", "an engineer", but "head of sales", "teaching maths"."""
    if re.match(r"(?:an?|the|my|head|chief)\b|\w+ing\b|[A-Z]", value):
        return value
    return f"{'an' if value[:1].lower() in 'aeiou' else 'a'} {value}"


def _lower(text: str) -> str:
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def enumerated(items: Sequence[str]) -> str:
    """The items in one breath: "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def as_sentence(text: str) -> str:
    """The text with a capital in front and a full stop behind."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?", ":")) else ".")


def quoted(text: str) -> str:
    """The words of somebody in quotation marks, without full stop, at most 300 characters."""
    words = " ".join(text.split()).rstrip(".。")
    return f'"{words if len(words) <= 300 else words[:299] + "…"}"'
