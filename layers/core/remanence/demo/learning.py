"""Bringing what the user says about themselves into core memory, and correcting what is there.

Path: demo.plan -> learn / swap -> Progress. Pure. Every fact is in one of a few states: written by
an attempt since the message, there already, refused, or still to be written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remanence.demo.facts import Fact, fact_of, facts_in
from remanence.demo.keeping import INSERT, Progress, error_line, keep
from remanence.demo.memory import BlockView, Planned, append_call, block_for_user, replace_call
from remanence.demo.removing import no_longer, removal
from remanence.demo.sentences import sentences
from remanence.demo.understand import Learn
from remanence.demo.wording import enumerated, quoted, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.demo.situation import Attempt, Situation
    from remanence.demo.understand import Swap

# How many earlier messages a correction without a subject may mean.
_LOOK_BACK = 3


@dataclass(slots=True)
class _Learned:
    """How far the facts of a message are: told ones as sentences, others as what is to be done."""

    noted: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    known: list[str] = field(default_factory=list[str])
    removed: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])
    to_append: list[str] = field(default_factory=list[str])
    to_keep: list[str] = field(default_factory=list[str])
    calls: list[Planned] = field(default_factory=list[Planned])


def learn(learns: Sequence[Learn], situation: Situation) -> Progress:
    """Bring every fact of a message into core memory; a new value takes the old one's place."""
    learned = _Learned()
    block = _home_of_facts(situation)
    for fact, text in _last_said(learns):
        if fact.is_gone:
            _drop(fact, situation, learned)
        else:
            _write(fact, text, block, situation, learned)
    progress = Progress(calls=learned.calls, told=_told(learned, block))
    if learned.to_append and block is not None:
        call = append_call(block, "\n".join(learned.to_append), situation.tools)
        if call is not None:
            progress.calls.insert(0, call)
    for text in dict.fromkeys(learned.to_keep):
        kept = keep(text, situation, reason=_reason(situation, block))
        progress.calls += kept.calls
        progress.told += kept.told
    return progress


def _last_said(learns: Sequence[Learn]) -> list[tuple[Fact, str]]:
    """Each fact with its sentence; of two values for one thing only the one said last."""
    pairs = [(fact, learn.text) for learn in learns for fact in learn.facts]
    return [
        (fact, text)
        for place, (fact, text) in enumerate(pairs)
        if not any(
            later.is_single and not later.is_gone and later.has_key(fact.key)
            for later, _ in pairs[place + 1 :]
        )
    ]


def _home_of_facts(situation: Situation) -> BlockView | None:
    """The block for what the user says; not `persona` when archival memory can take it."""
    block = block_for_user(situation.blocks)
    if block is not None and block.label == "persona" and INSERT in situation.tools:
        return None
    return block


def _write(
    fact: Fact, text: str, block: BlockView | None, situation: Situation, learned: _Learned
) -> None:
    tried = [at for at in situation.attempts if fact.line in at.written.splitlines()]
    done = next((attempt for attempt in tried if attempt.is_ok), None)
    if done is not None:
        old = _given_up_for(fact, done)
        if old is None:
            learned.noted.append(say(fact))
        else:
            learned.changed.append(f"{say(fact)} (before: {old.value})")
    elif any(fact.line in view.value.splitlines() for view in situation.blocks):
        learned.known.append(say(fact))
    elif block is None or tried:
        learned.to_keep.append(text)
    elif call := _replacing(fact, block, situation):
        learned.calls.append(call)
    elif append_call(block, fact.line, situation.tools) is not None:
        learned.to_append.append(fact.line)
    else:
        learned.to_keep.append(text)


def _given_up_for(fact: Fact, done: Attempt) -> Fact | None:
    """The fact whose line an attempt replaced by that of `fact`."""
    for line in done.written.splitlines() if fact.is_single else ():
        old = fact_of(line)
        if old is not None and old.has_key(fact.key) and old.value != fact.value:
            return old
    return None


def _replacing(fact: Fact, block: BlockView, situation: Situation) -> Planned | None:
    for line in block.value.splitlines() if fact.is_single else ():
        old = fact_of(line)
        if old is not None and old.has_key(fact.key):
            return replace_call(block, line, fact.line, situation.tools)
    return None


def _drop(fact: Fact, situation: Situation, learned: _Learned) -> None:
    """Remove the line of a fact that no longer holds."""
    result = removal(situation, no_longer(fact))
    learned.removed += result.removed
    if result.call is not None:
        learned.calls.append(result.call)
    elif not result.removed:
        learned.unknown.append(say(fact))


def _reason(situation: Situation, block: BlockView | None) -> str:
    """Why core memory did not take a fact."""
    failed = [at for at in situation.attempts if not at.is_ok and at.name != INSERT]
    if failed:
        return f"core memory refused it ({error_line(failed[-1].text)})"
    return (
        "no block may be written to" if block is None else "I have no tool that edits core memory"
    )


def _told(learned: _Learned, block: BlockView | None) -> list[str]:
    where = f" (block `{block.label}`)" if block else ""
    rows = (
        (f"Noted in core memory{where}: {{}}.", learned.noted),
        (f"Changed in core memory{where}: {{}}.", learned.changed),
        ("That I already had: {}.", learned.known),
        ("Removed from core memory: {}.", [quoted(line) for line in learned.removed]),
    )
    told = [text.format(enumerated(items)) for text, items in rows if items]
    if learned.unknown and not (told or learned.to_keep):
        told.append(
            f"Core memory did not say that {enumerated(learned.unknown)}: nothing to change."
        )
    return told


def swap(intent: Swap, situation: Situation) -> Progress:
    """Put one value in the place of another, wherever in core memory it stands."""
    if not intent.old:
        return _correct_last(intent.new, situation)
    old_word = re.compile(rf"\b{re.escape(intent.old)}\b", re.IGNORECASE)
    for attempt in situation.attempts:
        if old_word.search(attempt.written) and intent.new in attempt.written:
            if attempt.is_ok:
                told = f"Corrected in core memory: {intent.new}, not {intent.old}."
            else:
                told = f"I could not correct that: {error_line(attempt.text)}."
            return Progress(told=[told])
    for block in situation.blocks:
        line = next((text for text in block.value.splitlines() if old_word.search(text)), None)
        if line is not None and not block.is_read_only:
            new_line = old_word.sub(lambda _: intent.new, line)
            call = replace_call(block, line, new_line, situation.tools)
            if call is not None:
                return Progress(calls=[call])
    return Progress(told=[f"I found no {quoted(intent.old)} in core memory that I could correct."])


def _correct_last(value: str, situation: Situation) -> Progress:
    """Correct the newest fact of the user's last messages ("no, it's Porto")."""
    before = [text for message in situation.earlier[-_LOOK_BACK:] for text in sentences(message)]
    singles = [fact for text in before for fact in facts_in(text) if fact.is_single]
    if not singles:
        return Progress(
            told=["I do not see what that corrects; please say it as a whole sentence."]
        )
    fact = Fact(key=singles[-1].key, value=value)
    return learn([Learn(facts=(fact,), text=f"{fact.line}.")], situation)
