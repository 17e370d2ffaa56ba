"""What a sentence says about its speaker, as lines of a memory block.

Path: demo.understand -> facts_in -> demo.memory writes `fact.line` into a block; demo.recall
reads lines back with `fact_of`. Pure. A fact is a key and a value: "Home: Lisbon",
"Sister's birthday: 3 May", "Likes: tea".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.demo.predicates import Found, read_predicate
from remanence.demo.sentences import clauses, keywords, spelled_out
from remanence.demo.vocabulary import ADVERBS, FORMS, MANY_VALUED, NOT_NAMES, PETS, RELATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLAUSE = re.compile(
    rf"(?P<subject>I|we|my .+?|our .+?) (?:{ADVERBS} )*"
    rf"(?P<no>(?:do|does|can) not (?:really )?|never |no longer )?(?:{ADVERBS} )*"
    # "my favourite drink is", "my play time is": there the verb-like word is a noun.
    rf"(?P<verb>{FORMS})\b(?!(?: \w+)? (?:is|are)\b)"
    rf"(?P<not> not\b| no longer\b)?(?: {ADVERBS}\b)* ?(?P<rest>.*)",
    re.IGNORECASE,
)
_ANOTHER_VERB = re.compile(
    rf"(?:, and|,| and) (?=(?:{ADVERBS} )*(?:(?:do|does|can) not |no longer |never )?"
    rf"(?:{FORMS}) )",
    re.IGNORECASE,
)
_NAMED_RELATION = re.compile(
    rf"\b(?P<my>[Mm]y) (?P<who>(?:[a-z]+ )?(?:{RELATIONS}|{PETS})),? "
    r"(?P<name>[A-Z][\w-]+),?"
)
_CALL_ME = re.compile(
    r"(?:please )?(?:(?:you (?:can|may) |just )?call me|(?:people|friends|they|everyone) call me"
    r"|the name is|this is)(?: here)? (?P<name>[A-Za-z][\w' -]{0,40}?)(?: speaking| here)?",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"(?P<word>he|she|it|they|his|her|its|their)\b", re.IGNORECASE)
_OWNERS = frozenset({"his", "her", "its", "their"})
_SOMEONE = re.compile(
    rf"\b(?:my|our|(?:have|got|has|own) an?) (?:\w+ ){{0,2}}?({RELATIONS}|{PETS})\b", re.IGNORECASE
)
# What is said beside the object of a verb.
_ASIDE = re.compile(
    r",? (?:and not|not|rather than|instead of|but|because|since|by the way|btw|these days"
    r"|nowadays|at the moment|right now|as well|too|anymore|any more|now|actually|though|again"
    r"|please|so|and you)\b.*$|, which\b.*$|[,;:\s]+$"
)
_ENDED = re.compile(r"\b(?:anymore|any more)$")
_PROPER_KEYS = frozenset({"name", "home", "origin", "employer"})
_LINE = re.compile(r"(?:[-*•] )?(?P<key>[A-Z][\w' -]{1,40}): (?P<value>\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing known. `key` is as it stands in the line; `is_gone`: it no longer holds."""

    key: str
    value: str
    is_gone: bool = False

    @property
    def line(self) -> str:
        """The fact as it is written into a memory block."""
        return f"{self.key}: {self.value}"

    @property
    def is_single(self) -> bool:
        """Whether a new value takes the place of the old one ("Home"), or joins it ("Likes")."""
        words = self.key.lower().split(" ")
        return words[-1] not in MANY_VALUED and "doesn't" not in words

    def has_key(self, key: str) -> bool:
        """Whether `key` means the same as this fact's: "Mum's birthday", "Mother's birthday"."""
        mine, other = self.key.lower(), key.lower()
        return mine == other or (keywords(mine) == keywords(other) != frozenset())


def fact_of(line: str) -> Fact | None:
    """The fact a line of a block holds, or None when the line is prose."""
    match = _LINE.fullmatch(line.strip())
    return Fact(key=match["key"], value=match["value"].strip()) if match else None


def facts_in(statement: str, before: str = "") -> list[Fact]:
    """Everything a statement says about its speaker and the speaker's people and pets.

    Args:
        statement: one English sentence; openings such as "actually," are already removed.
        before: what was said just before it, for whom "she" or "it" means.

    Returns:
        The facts in the order said, each once; empty when nothing is understood.
    """
    text, found = _take_out_names(spelled_out(statement))
    others = [match.group(1).lower() for match in _SOMEONE.finditer(before)]
    last_other = others[-1] if others else None
    for clause in clauses(text):
        for part in _with_subjects(_resolved(clause, last_other)):
            found += _facts_of_clause(part)
            last_other = _someone_in(part) or last_other
    return list(dict.fromkeys(found))


def _take_out_names(text: str) -> tuple[str, list[Fact]]:
    """Cut "my sister Anna lives" to "my sister lives", and say that her name is Anna."""
    found: list[Fact] = []

    def take(match: re.Match[str]) -> str:
        if match["name"].lower() in NOT_NAMES:
            return match.group()
        found.append(Fact(key=owned(match["who"], "name"), value=match["name"]))
        return f"{match['my']} {match['who']}"

    return _NAMED_RELATION.sub(take, text), found


def _resolved(clause: str, last_other: str | None) -> str:
    """The clause with a leading "she" or "her" replaced by whom was spoken of before."""
    match = _PRONOUN.match(clause)
    if match is None or last_other is None:
        return clause
    owns = "'s" if match["word"].lower() in _OWNERS else ""
    return f"my {last_other}{owns}{clause[match.end() :]}"


def _with_subjects(clause: str) -> Iterator[str]:
    """Both halves of "I live in Rome and work at Fiat", each with its subject."""
    match = _CLAUSE.match(clause)
    if match is None:
        yield clause
        return
    first, *others = _ANOTHER_VERB.split(clause)
    yield first
    for other in others:
        yield f"{match['subject']} {other}"


def _facts_of_clause(clause: str) -> Iterator[Fact]:
    named = _CALL_ME.fullmatch(_trimmed(clause))
    if named is not None:
        if named["name"].lower().split(" ")[0] not in NOT_NAMES:
            yield _fact(Found("name", named["name"]), "", is_gone=False)
        return
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        return
    negation = f"{match['no'] or ''}{match['not'] or ''}"
    ended = "no longer" in negation or _ENDED.search(match["rest"]) is not None
    owner = re.sub(r"(?i)^(?:(?:my|our) |(?:i|we)$)", "", match["subject"])
    for found in read_predicate(
        match["verb"].lower(), _trimmed(match["rest"]), owner, negated=bool(negation or ended)
    ):
        if found.is_gone or not ended:
            yield _fact(found, owner, is_gone=found.is_gone)


def _trimmed(rest: str) -> str:
    """The object of a verb without what is said beside it."""
    trimmed = _ASIDE.sub("", rest).strip()
    return trimmed if trimmed == rest else _trimmed(trimmed)


def _fact(found: Found, owner: str, *, is_gone: bool) -> Fact:
    value = found.value.strip(" ,\"'")
    key = found.key if found.is_whole or not owner else owned(owner, found.key)
    key = key[:1].upper() + key[1:]
    last_word = key.lower().rsplit(" ", 1)[-1]
    if last_word == "name":
        value = re.split(r" and |, ", value)[0]
    if last_word in _PROPER_KEYS and value.islower() and not value.startswith(("the ", "a ")):
        value = value.title()
    return Fact(key=key, value=value, is_gone=is_gone)


def owned(owner: str, key: str) -> str:
    """The key of somebody else: "Sister's birthday"; of a verb: "Sister likes"."""
    is_verb = key in MANY_VALUED - {"allergy", "diet"} or key.startswith("doesn't")
    possessive = "'" if re.search(r"[^s]s$", owner) else "'s"
    text = f"{owner} {key}" if is_verb else f"{owner}{possessive} {key}"
    return text[:1].upper() + text[1:]


def _someone_in(clause: str) -> str | None:
    """Whom a following "he", "she" or "it" means: the relation or pet the clause spoke of."""
    found = _SOMEONE.search(clause)
    return found.group(1).lower() if found else None
