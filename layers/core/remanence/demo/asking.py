"""Answering questions: from core memory at once, else by the search tools, else honestly not.

Path: demo.plan -> ask -> Progress. Pure. Archival memory is searched first, then the conversation
(the other way round when the question is about what was said).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.demo.keeping import Progress, error_line
from remanence.demo.memory import Planned
from remanence.demo.questions import read_question
from remanence.demo.recall import (
    CLOSE,
    FAINT,
    SURE,
    Entry,
    entries_of_blocks,
    entries_of_return,
    entries_of_text,
    look_up,
)
from remanence.demo.sentences import is_english, search_words, sentences

if TYPE_CHECKING:
    from remanence.demo.questions import Question
    from remanence.demo.recall import Source
    from remanence.demo.situation import Situation
    from remanence.demo.understand import Ask

_SEARCHES: tuple[tuple[str, Source], ...] = (
    ("archival_memory_search", "archival"),
    ("conversation_search", "conversation"),
)
# A search by words would not find "I work as a nurse" for "what is my job?".
_ALSO_SAID = {
    "home": "live moved",
    "job": "work",
    "employer": "work",
    "origin": "from born",
    "birthday": "born",
    "age": "years",
    "allergy": "allergic",
    "likes": "like love enjoy",
}
SEARCH_TOOLS = frozenset(name for name, _ in _SEARCHES)


def ask(intent: Ask, situation: Situation) -> Progress:
    """Answer a question, or search once more for an answer."""
    question = read_question(intent.question)
    entries = entries_of_blocks(situation.blocks)
    if question.is_overview:
        return Progress(told=[_overview(look_up(question, entries, least=SURE))])
    found = [] if question.topic or question.in_conversation else _sure(question, entries)
    searched: list[str] = []
    for name, source in reversed(_SEARCHES) if question.in_conversation else _SEARCHES:
        if found or name not in situation.tools:
            continue
        query = _query(question)
        tries = [at for at in situation.done(name) if at.arguments.get("query") == query]
        if not tries:
            return Progress(calls=[_search(name, query, situation)])
        searched.append(_how_it_went(source, tries[-1].text, is_ok=tries[-1].is_ok))
        if tries[-1].is_ok:
            entries += _others(entries_of_return(tries[-1].text, source), situation)
        found = _sure(question, entries)
    return Progress(told=found or _last_resort(question, entries, situation, searched))


def _search(name: str, query: str, situation: Situation) -> Planned:
    """A search; of a conversation only what the user said, where the tool can tell."""
    properties = situation.tools[name].parameters.get("properties")
    if isinstance(properties, dict) and "roles" in properties:
        return Planned(name=name, arguments={"query": query, "roles": ["user"]})
    return Planned(name=name, arguments={"query": query})


def _query(question: Question) -> str:
    """The words to search for: the question's own, and how people say what it asks for."""
    words = search_words(question.topic or question.text)
    hint = _ALSO_SAID.get(question.keys[0].lower().rsplit(" ", 1)[-1]) if question.keys else None
    return " ".join(dict.fromkeys(f"{words} {hint or ''}".split()))


def _sure(question: Question, entries: list[Entry]) -> list[str]:
    # Words of other languages are compared as they are, with all their endings.
    return look_up(question, entries, least=SURE if is_english(question.text) else CLOSE)


def _others(entries: list[Entry], situation: Situation) -> list[Entry]:
    """The entries that are not the very message being answered: a search finds that too."""
    own = set(sentences(situation.message))
    return [entry for entry in entries if entry.text not in own]


def _how_it_went(source: Source, text: str, *, is_ok: bool) -> str:
    place = "archival memory" if source == "archival" else "our conversation"
    return place if is_ok else f"{place} (which failed: {error_line(text)})"


def _last_resort(
    question: Question, entries: list[Entry], situation: Situation, searched: list[str]
) -> list[str]:
    """What was said above in this conversation, else the closest entry, else nothing."""
    window = [
        entry
        for text in (situation.summary, *situation.earlier, situation.message)
        for entry in entries_of_text(text, "window")
    ]
    said_above = _sure(question, window)
    if said_above:
        return said_above
    least = CLOSE if is_english(question.text) else FAINT
    closest = look_up(question, [*entries, *window], least=least)
    if closest:
        return ["I did not find exactly that. The closest I have:", *closest]
    looked = f", and I searched {' and '.join(searched)}" if searched else ""
    return [
        f"I do not know: core memory does not say{looked}. Tell me and I will remember it; I am a "
        "scripted demonstration and know only what I am told."
    ]


def _overview(facts: list[str]) -> str:
    if not facts:
        return "My core memory holds nothing about you yet. Tell me your name, or what you like."
    return "\n".join(["This is in my core memory:", *(f"- {fact}" for fact in facts)])
