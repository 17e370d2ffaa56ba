"""The demonstration as reader of facts: what users say of themselves, sentence by sentence.

Path: demo.model, when a request asks for the facts of a span. Pure. A sentence becomes a fact word
for word; what it is about is what the demonstration understands of it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from remanence.core.exchange import Text
from remanence.core.fact_request import TASK
from remanence.demo.facts import facts_in
from remanence.demo.sentences import is_question, sentences
from remanence.demo.vocabulary import MANY_VALUED
from remanence.demo.wording import as_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import JsonObject, Request

# "[m3 2026-11-25 14:03] user: ..." begins a message of the span; what follows may have more lines.
_LINE = re.compile(r"^\[(m\d+) [^\]]*\] (\w+): ", re.MULTILINE)


def asks_for_facts(request: Request) -> bool:
    """Whether this is the model call that reads facts, and not a step of an agent."""
    return request.system.startswith(TASK)


def facts_answer(request: Request) -> str:
    """The answer as the prompt wants it; of other speakers than the user nothing is read."""
    span = "\n".join(
        part.text for turn in request.turns for part in turn.parts if isinstance(part, Text)
    )
    found = [
        fact
        for label, speaker, said in _messages(span)
        if speaker == "user"
        for sentence in sentences(said)
        if not is_question(sentence)
        for fact in _facts(label, sentence)
    ]
    return json.dumps({"facts": found}, ensure_ascii=False)


def _messages(span: str) -> Iterator[tuple[str, str, str]]:
    """Label, speaker and words of each message."""
    pieces = _LINE.split(span)[1:]
    yield from zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)


def _facts(label: str, sentence: str) -> Iterator[JsonObject]:
    for understood in facts_in(sentence):
        if understood.is_gone:
            continue
        one_valued = understood.key.lower().rsplit(" ", 1)[-1] not in MANY_VALUED
        yield {
            "text": f"The user said: {as_sentence(sentence)}",
            "kind": "profile",
            "entities": [understood.value],
            "sources": [label],
            "subject": "The user" if one_valued else None,
            "attribute": understood.key if one_valued else None,
            "valid_from": None,
            "valid_to": None,
        }
