"""Answering a question from what is in view: memory blocks, search results, what was said.

Path: demo.plan -> entries_* -> look_up -> sentences. Pure. An answer by key is said as a fact; one
found by comparing words is quoted, so that nobody takes a neighbour for an answer.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from remanence.demo.facts import Fact, fact_of, facts_in
from remanence.demo.sentences import is_question, keywords, sentences
from remanence.demo.wording import as_sentence, quoted, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from remanence.demo.memory import BlockView
    from remanence.demo.questions import Question

Source = Literal["core", "archival", "conversation", "window"]
# How many of a question's words an entry must share: to be an answer, to be the closest thing
# there is, and to be that in a language whose endings are not known here.
SURE = 0.75
CLOSE = 0.5
FAINT = 0.2
# The most entries of one topic that are read out.
MOST_READ_OUT = 6

_FOUND_IN: dict[Source, str] = {
    "core": "core memory",
    "archival": "archival memory",
    "conversation": "our earlier conversation",
    "window": "what you said above",
}
_THIRD_PERSON = re.compile(
    r"(?:the )?(?:(?P<own>(?:user|human)'s|his|her|their)|user|human|he|she|they)\b", re.IGNORECASE
)
_OPPOSITE = {"likes": "dislikes", "dislikes": "likes", "eats": "doesn't eat", "has": "doesn't have"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line or sentence that may hold an answer, with the facts in it. `label`: its block."""

    text: str
    source: Source
    facts: tuple[Fact, ...] = ()
    label: str | None = None


def entries_of_blocks(blocks: Iterable[BlockView]) -> list[Entry]:
    """Every line of core memory, and of prose every sentence, oldest first."""
    return [
        Entry(
            text=text,
            source="core",
            # What a persona says of itself is not about the user.
            facts=() if block.label == "persona" else _facts(text),
            label=block.label,
        )
        for block in blocks
        for line in block.value.splitlines()
        for text in ([line.strip()] if fact_of(line) else sentences(line))
    ]


def entries_of_text(text: str, source: Source) -> list[Entry]:
    """The statements of a message or a passage; its questions hold no answers."""
    return [
        Entry(text=sentence, source=source, facts=_facts(sentence))
        for sentence in sentences(text)
        if not is_question(sentence)
    ]


def entries_of_return(text: str, source: Source) -> list[Entry]:
    """What a search tool returned, best first; of a conversation only what the user said."""
    found: list[Entry] = []
    for hit in _hits(_parsed(text)):
        if source == "conversation" and hit.get("role", "user") != "user":
            continue
        content = hit.get("content") or hit.get("text")
        if isinstance(content, str):
            found += entries_of_text(content, source)
    return list(dict.fromkeys(found))


def _parsed(text: str) -> object:
    """Searches answer in JSON, or as a Python literal (the retired server's passages)."""
    try:
        return cast("object", json.loads(text))
    except ValueError:
        pass
    try:
        return cast("object", ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _hits(value: object) -> Iterator[dict[str, object]]:
    match value:
        case dict():
            record = cast("dict[str, object]", value)
            yield from _hits(record["results"]) if "results" in record else iter((record,))
        case list():
            for item in cast("list[object]", value):
                yield from _hits(item)
        case _:
            return


def _facts(line: str) -> tuple[Fact, ...]:
    fact = fact_of(line)
    if fact is not None:
        return (fact,)
    spoken = _THIRD_PERSON.sub(lambda who: "my" if who["own"] else "I", line, count=1)
    return tuple(facts_in(spoken if _THIRD_PERSON.match(line) else line))


def look_up(question: Question, entries: Sequence[Entry], *, least: float) -> list[str]:
    """Sentences that answer `question`, or none.

    Args:
        question: understood.
        entries: where to look; later ones are newer within a source.
        least: share (0..1) of the question's words an entry must have when no key fits.
    """
    if question.is_overview:
        return [_told(e) if fact_of(e.text) else e.text for e in entries if e.label != "persona"]
    if question.topic is not None:
        return [_told(entry) for entry in _about(question.topic, entries, least)]
    entries = [entry for entry in entries if not _is_taken_back(entry, entries)]
    known = [(fact, entry) for entry in entries for fact in entry.facts if not fact.is_gone]
    for claim in question.claims:
        confirmed = _confirmed(claim, known)
        if confirmed:
            return [confirmed]
    for key in question.keys:
        of_key = [pair for pair in known if pair[0].has_key(key)]
        if of_key:
            latest = of_key[-1:] if of_key[0][0].is_single else of_key
            return list(dict.fromkeys(_said(fact, entry) for fact, entry in latest))
    return [_told(entry) for entry in _about(question.text, entries, least)[:1]]


def _is_taken_back(entry: Entry, entries: Sequence[Entry]) -> bool:
    """Whether all that an old message or passage says was taken back by another one."""
    gone = {(fact.key, fact.value) for other in entries for fact in other.facts if fact.is_gone}
    said = {(fact.key, fact.value) for fact in entry.facts if not fact.is_gone}
    return entry.source != "core" and bool(said) and said <= gone


def _said(fact: Fact, entry: Entry) -> str:
    where = "" if entry.source == "core" else f" (from {_FOUND_IN[entry.source]})"
    return as_sentence(say(fact) + where)


def _told(entry: Entry) -> str:
    """An entry as it is: a fact is said, prose is quoted with where it was found."""
    fact = fact_of(entry.text)
    if fact is not None:
        return _said(fact, entry)
    return f"{_FOUND_IN[entry.source].capitalize()} says: {quoted(entry.text)}."


def _confirmed(claim: Fact, known: Sequence[tuple[Fact, Entry]]) -> str | None:
    """Yes or no to one claim, or None when nothing known bears on it."""
    same = [fact for fact, _ in known if fact.has_key(claim.key)]
    against = [fact for fact, _ in known if fact.has_key(_OPPOSITE.get(claim.key.lower(), "-"))]
    wanted = keywords(claim.value)
    for facts, word in ((same, "Yes"), (against, "No")):
        hit = next((fact for fact in facts if wanted <= keywords(fact.value)), None)
        if hit is not None:
            return as_sentence(f"{word}, {say(hit)}")
    if same and claim.is_single:
        return as_sentence(f"No, {say(same[-1])}")
    return None


def _about(words: str, entries: Sequence[Entry], least: float) -> list[Entry]:
    """The entries that share the most of the words, best first; the newer wins a tie."""
    wanted = keywords(words)
    if not wanted:
        return []
    scored = [
        (len(wanted & keywords(entry.text)) / len(wanted), place, entry)
        for place, entry in enumerate(entries)
    ]
    best = sorted((item for item in scored if item[0] >= least), key=lambda item: -item[0])
    return [entry for _, _, entry in best[:MOST_READ_OUT]]
