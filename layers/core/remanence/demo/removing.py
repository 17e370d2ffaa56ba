"""Removing lines of core memory: what no longer holds, and what the user wants forgotten.

Path: demo.plan -> forget; demo.learning -> removal. Pure. Passages and messages are not touched:
no tool of an agent deletes them, and the user is told so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING

from remanence.demo.facts import Fact, fact_of, facts_in
from remanence.demo.keeping import Progress, error_line
from remanence.demo.memory import replace_call
from remanence.demo.questions import keys_of_noun
from remanence.demo.recall import SURE
from remanence.demo.sentences import keywords
from remanence.demo.wording import enumerated, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.demo.memory import Planned
    from remanence.demo.situation import Attempt, Situation
    from remanence.demo.understand import Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """The next call that removes a line, the lines removed so far, and what went wrong."""

    call: Planned | None
    removed: tuple[str, ...]
    problem: str | None


def removal(situation: Situation, is_meant: Callable[[str], bool]) -> Removal:
    """Remove the lines of core memory that are meant, one run of lines per call.

    Only one call at a time: each moves the lines that the next one needs around it.
    """
    removed = tuple(
        line
        for attempt in situation.attempts
        if attempt.is_ok
        for line in _given_up(attempt)
        if is_meant(line)
    )
    failed = [at for at in situation.attempts if not at.is_ok and any(map(is_meant, _given_up(at)))]
    if failed:
        return Removal(call=None, removed=removed, problem=error_line(failed[-1].text))
    problem = None
    for block in situation.blocks:
        lines = _first_run(block.value, is_meant)
        if not lines or lines[0] in removed:
            continue
        text = "\n".join(lines)
        call = None if block.is_read_only else replace_call(block, text, "", situation.tools)
        if call is not None:
            return Removal(call=call, removed=removed, problem=None)
        problem = f"I cannot change the block `{block.label}`"
    return Removal(call=None, removed=removed, problem=problem)


def _first_run(value: str, is_meant: Callable[[str], bool]) -> list[str]:
    """The first lines in a row that are meant."""
    rest = dropwhile(lambda line: not is_meant(line), value.split("\n"))
    return list(takewhile(is_meant, rest))


def _given_up(attempt: Attempt) -> list[str]:
    """The lines that were in the old text of a replacement and are not in the new one."""
    old = attempt.arguments.get("old_string") or attempt.arguments.get("old_content")
    new = attempt.arguments.get("new_string") or attempt.arguments.get("new_content") or ""
    if not isinstance(old, str) or not isinstance(new, str):
        return []
    return [line for line in old.splitlines() if line not in new.splitlines()]


def no_longer(fact: Fact) -> Callable[[str], bool]:
    """Whether a line says what `fact` says is over."""

    def is_meant(line: str) -> bool:
        old = fact_of(line)
        return old is not None and _same(old, fact)

    return is_meant


def forget(intent: Forget, situation: Situation) -> Progress:
    """Remove from core memory what the user wants forgotten."""
    result = removal(situation, _meant_by(intent.what))
    if result.call is not None:
        return Progress(calls=[result.call])
    told: list[str] = []
    if result.removed:
        told.append(f"Removed from core memory: {enumerated([*map(quoted, result.removed)])}.")
    if result.problem:
        told.append(f"I could not remove that: {result.problem}.")
    return Progress(
        told=told
        or [
            f"Core memory holds nothing about {intent.what}. Passages of archival memory and "
            "messages I cannot delete."
        ]
    )


def _meant_by(what: str) -> Callable[[str], bool]:
    """Which lines "forget <what>" means: a fact, a key ("my address"), a topic, or all."""
    if re.fullmatch(r"(?:everything|all|it all)(?: .*)?|me", what):
        return lambda line: fact_of(line) is not None
    facts = facts_in(what)
    noun = re.sub(r"^(?:my|our) ", "", what)
    keys = keys_of_noun(noun) if noun != what else ()
    words = keywords(what)

    def is_meant(line: str) -> bool:
        fact = fact_of(line)
        if fact is not None and facts:
            return any(_same(fact, own) for own in facts)
        if fact is not None and any(fact.has_key(key) for key in keys):
            return True
        return bool(words) and len(words & keywords(line)) >= SURE * len(words)

    return is_meant


def _same(fact: Fact, other: Fact) -> bool:
    return fact.has_key(other.key) and bool(keywords(fact.value) & keywords(other.value))
