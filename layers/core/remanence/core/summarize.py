"""Asking a model for a summary, and judging what it wrote. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.anchors import anchors_of, completed, missing_from
from remanence.core.compaction import FAN_OUT, summaries_budget
from remanence.core.exchange import ModelSettings, Request, Text, Turn
from remanence.core.extract import extract_summary, said_in
from remanence.core.history import clipped
from remanence.core.tokens import estimate_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from remanence.core.exchange import Reply
    from remanence.core.types import Message, State

PROMPT = """\
You keep the long-term memory of an assistant. Below is the oldest part of a conversation, which
is about to move out of the assistant's view. Write the summary that will stand in its place.

Keep, word for word: names, numbers, dates, places, addresses, identifiers, URLs, and anything the
user said about themselves, wants, prefers or refuses. Keep decisions and why they were made, what
was promised, what failed and what is still open. Say who said what when it matters. Leave out
greetings and filler. Write short plain lines, oldest first, in the language of the conversation,
at most {words} words. Answer with the summary only."""
# A transcript is cut to this share of the window, so that the summariser itself cannot overflow.
TRANSCRIPT_SHARE = 0.6
WORDS_PER_TOKEN = 0.6


def summary_request(state: State, leaving: Sequence[Message], tz: tzinfo) -> Request:
    """The request that asks for a summary of `leaving`.

    Args:
        state: whose agent, model and settings are used.
        leaving: the messages to be summarised, oldest first.
        tz: zone of the times in the transcript.
    """
    settings = state.agent.compaction_settings
    budget = summaries_budget(state) // FAN_OUT
    prompt = settings.prompt or PROMPT.format(words=max(40, int(budget * WORDS_PER_TOKEN)))
    window = state.agent.context_window_limit
    transcript = clipped(_transcript(leaving, tz), int(window * TRANSCRIPT_SHARE))
    return Request(
        handle=settings.model or state.agent.model,
        system=prompt,
        turns=(Turn(role="user", parts=(Text(text=transcript),)),),
        settings=ModelSettings(max_output_tokens=max(256, budget * 2)),
    )


def _transcript(leaving: Sequence[Message], tz: tzinfo) -> str:
    lines: list[str] = []
    for message in leaving:
        said = extract_summary((message,), WHOLE)
        lines.append(f"[{message.created_at.astimezone(tz):%Y-%m-%d %H:%M}] {said}")
    return "\n".join(lines)


# More than any message: its every sentence.
WHOLE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a model's summary is worth.

    `text` is None when it cannot stand for what leaves at all. `missing` are the anchors it
    dropped; `is_thin`: so many of them that it should be asked for again.
    """

    text: str | None
    missing: tuple[str, ...] = ()
    is_thin: bool = False


def judge_summary(reply: Reply | None, leaving: Sequence[Message]) -> Verdict:
    """Judge a summary by code.

    Args:
        reply: what the model answered; None: nothing.
        leaving: the messages that the summary is to stand for.

    Returns:
        No text when the answer was cut off, is empty, or is longer than what it replaces.
    """
    text = reply.text.strip() if reply is not None and reply.finish == "stop" else ""
    replaced = sum(message.tokens for message in leaving)
    if not text or estimate_text(text) >= max(replaced, LEAST_REPLACED_TOKENS):
        return Verdict(text=None)
    anchors = anchors_of(said_in(leaving))
    missing = missing_from(text, anchors)
    return Verdict(text=text, missing=missing, is_thin=len(missing) > THIN_SHARE * len(anchors))


def again(request: Request, verdict: Verdict) -> Request:
    """The request that asks once more, naming what the first summary dropped."""
    named = ", ".join(verdict.missing[:MOST_NAMED])
    demand = f"A first summary left these out. Keep them word for word: {named}"
    return replace(request, turns=(*request.turns, Turn(role="user", parts=(Text(text=demand),))))


def finished(verdict: Verdict, budget_tokens: int) -> str | None:
    """The summary as it is stored: completed with what it dropped, as far as its budget goes."""
    if verdict.text is None:
        return None
    return completed(verdict.text, verdict.missing, max(len(verdict.text), budget_tokens * 4) + 400)


# A summary of a few words may be longer than what it replaces without being wrong.
LEAST_REPLACED_TOKENS = 64
# Above this share of dropped anchors a summary is asked for again, once.
THIN_SHARE = 0.3
MOST_NAMED = 60
