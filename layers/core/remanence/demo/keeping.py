"""Keeping a sentence word for word: in archival memory, else as a line of core memory.

Path: demo.plan / demo.learning -> keep -> Progress. Pure. What was not tried since the message
becomes a call; what was tried is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remanence.demo.memory import Planned, append_call, block_for_user
from remanence.demo.wording import as_sentence, quoted

if TYPE_CHECKING:
    from remanence.demo.situation import Situation

INSERT = "archival_memory_insert"
# Of an error of a tool, as much as is told to the user.
_TOLD_CHARS = 160


@dataclass(slots=True)
class Progress:
    """What is still to be called, and once that is nothing, what to tell the user."""

    calls: list[Planned] = field(default_factory=list[Planned])
    told: list[str] = field(default_factory=list[str])


def keep(text: str, situation: Situation, *, reason: str | None = None) -> Progress:
    """Keep `text` where it fits.

    Args:
        text: one sentence.
        situation: what was tried, and with which tools.
        reason: why core memory cannot take it (then it is not asked again); told to the user.
    """
    inserts = [at for at in situation.done(INSERT) if at.arguments.get("content") == text]
    if any(attempt.is_ok for attempt in inserts):
        because = f"{as_sentence(reason)} " if reason else ""
        return Progress(told=[f"{because}Kept in archival memory: {quoted(text)}."])
    if INSERT in situation.tools and not inserts:
        return Progress(calls=[Planned(name=INSERT, arguments={"content": text})])
    if reason is None:
        return _in_core(text, situation)
    why = error_line(inserts[-1].text) if inserts else reason
    return Progress(told=[f"I could not store {quoted(text)}: {why}."])


def _in_core(text: str, situation: Situation) -> Progress:
    tried = [attempt for attempt in situation.attempts if text in attempt.written.splitlines()]
    if any(attempt.is_ok and attempt.name != INSERT for attempt in tried):
        return Progress(told=[f"Noted in core memory: {quoted(text)}."])
    if any(text in block.value.splitlines() for block in situation.blocks):
        return Progress(told=[f"That I already had: {quoted(text)}."])
    block = block_for_user(situation.blocks)
    call = append_call(block, text, situation.tools) if block else None
    if call is not None and not any(attempt.name == call.name for attempt in tried):
        return Progress(calls=[call])
    why = error_line(tried[-1].text) if tried else "I was given no tool that stores it"
    return Progress(told=[f"I could not store {quoted(text)}: {why}."])


def error_line(text: str) -> str:
    """What a tool said went wrong, in one line without a full stop."""
    line = next(iter(text.strip().splitlines()), "")
    return line[:_TOLD_CHARS].rstrip(". ")
