"""Asking a model for a summary, and judging what it wrote.

Path: engine.compact -> summary_request -> the model -> judge_summary -> finished. Pure.
A model is believed as far as code can check it: what it drops is named behind its words, and what
it made up is taken out of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.anchors import anchors_of, completed, invented_in, missing_from, without
from remanence.core.compaction import leaf_budget, node_budget, within
from remanence.core.exchange import ModelSettings, Request, Text, Turn
from remanence.core.extract import NOTHING, extract_summary, said_in
from remanence.core.history import clipped, is_note
from remanence.core.tokens import estimate_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from remanence.core.context import Context
    from remanence.core.exchange import Reply
    from remanence.core.summaries import Summary
    from remanence.core.types import Message, State

# Grows with every change of the prompts below; stored with each summary.
PROMPT_VERSION = "2"
PROMPT = """\
You keep the long-term memory of an assistant. Below is the oldest part of a conversation, which
is about to move out of the assistant's view. Write the summary that will stand in its place.

{rules}"""
PROMPT_OF_NODE = """\
You keep the long-term memory of an assistant. Below are summaries of consecutive parts of a
conversation, oldest first. Write the one summary that will stand in their place.

{rules}"""
PROMPT_OF_SELF = """\
[System message] The messages above {reach}are about to move out of your view. Write the summary
that will stand in their place, for yourself to go on from.

{rules}"""
_RULES = """\
Keep, word for word: names, numbers, dates, places, addresses, identifiers, URLs, and anything the
user said about themselves, wants, prefers or refuses. Keep decisions and why they were made, what
was promised, what failed and what is still open. Say who said what when it matters. Leave out
greetings and filler. Add nothing that was not said. Write short plain lines, oldest first, in the
language of the conversation, at most {words} words. Answer with the summary only."""
READY = "Send the text that I am to summarise."
ACKNOWLEDGEMENT = "Understood. I answer with the summary of what you send, and with nothing else."
# A transcript is cut to this share of the window, so that the summariser itself cannot overflow;
# it has room for what one leaf covers (LEAF_SPAN_SHARE), and for times and names of speakers.
TRANSCRIPT_SHARE = 0.75
WORDS_PER_TOKEN = 0.6
# The least that a summariser may write: some models think before they do.
LEAST_ANSWER_TOKENS = 1_024
# More than any message: its every sentence.
WHOLE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a summary is to be made of.

    `text` is what the model is shown; `said` is where the anchors that it must keep are taken
    from; `known` is everything that it may name, when that is more than `text`. `tokens` is the
    size of what it stands for, `budget_tokens` what it may fill itself.
    """

    text: str
    said: str
    tokens: int
    budget_tokens: int
    prompt: str
    known: str = ""


def source_of_messages(state: State, messages: Sequence[Message], tz: tzinfo) -> Source:
    """The source of a leaf.

    Args:
        state: whose window decides how much of a transcript a model can be shown.
        messages: what the leaf covers, oldest first.
        tz: zone of the times in the transcript.
    """
    limit = int(state.agent.context_window_limit * TRANSCRIPT_SHARE)
    return Source(
        text=clipped(_transcript(messages, tz), limit),
        said=said_in(messages),
        tokens=sum(message.tokens for message in messages),
        budget_tokens=leaf_budget(state),
        prompt=PROMPT,
    )


def source_of_summaries(state: State, children: Sequence[Summary]) -> Source:
    """The source of a node: the summaries that it stands for, oldest first."""
    limit = int(state.agent.context_window_limit * TRANSCRIPT_SHARE)
    said = said_in(children)
    return Source(
        text=clipped(said, limit),
        said=said,
        tokens=sum(child.tokens for child in children),
        budget_tokens=node_budget(state),
        prompt=PROMPT_OF_NODE,
    )


def _transcript(messages: Sequence[Message], tz: tzinfo) -> str:
    lines: list[str] = []
    for message in messages:
        if is_note(message):
            continue
        said = extract_summary((message,), WHOLE)
        lines.append(f"[{message.created_at.astimezone(tz):%Y-%m-%d %H:%M}] {said}")
    return "\n".join(lines) or NOTHING


def summary_request(state: State, source: Source) -> Request:
    """The request that asks a summariser for a summary of `source`."""
    settings = state.agent.compaction_settings
    asked = Turn(role="user", parts=(Text(text=source.text),))
    turns: tuple[Turn, ...] = (asked,)
    if settings.prompt_acknowledgement:
        turns = (
            Turn(role="user", parts=(Text(text=READY),)),
            Turn(role="assistant", parts=(Text(text=ACKNOWLEDGEMENT),)),
            asked,
        )
    return Request(
        handle=settings.model or state.agent.model,
        system=settings.prompt or _prompt(source.prompt, source),
        turns=turns,
        settings=_bounded(settings.model_settings or ModelSettings(), source),
    )


def self_summary_request(state: State, context: Context, source: Source, *, upto: str) -> Request:
    """The request that asks the agent itself, at the end of the context that it works in.

    Its prefix is that of the agent's steps, so most of it is read from the provider's cache.

    Args:
        state: whose agent is asked.
        context: what its next step would be sent.
        source: what the summary is to stand for.
        upto: the beginning of the first message that stays in view; empty: all messages leave.
    """
    reach = f'and before the one that begins with "{upto}" ' if upto else ""
    settings = state.agent.compaction_settings
    prompt = settings.prompt or _prompt(PROMPT_OF_SELF, source, reach)
    request = context.request
    return replace(
        request,
        handle=state.agent.model,
        turns=(*request.turns, Turn(role="user", parts=(Text(text=prompt),))),
        tool_choice="none",
        settings=_bounded(settings.model_settings or request.settings, source),
    )


def _bounded(settings: ModelSettings, source: Source) -> ModelSettings:
    """With a limit of the answer, if they have none: room for the summary, and to think."""
    if settings.max_output_tokens is not None:
        return settings
    return replace(settings, max_output_tokens=max(LEAST_ANSWER_TOKENS, source.budget_tokens * 3))


def _prompt(template: str, source: Source, reach: str = "") -> str:
    words = max(40, int(source.budget_tokens * WORDS_PER_TOKEN))
    return template.format(rules=_RULES.format(words=words), reach=reach)


def prompt_version(state: State) -> str:
    """Which prompt asks for this agent's summaries: our version, or a mark of the agent's own."""
    own = state.agent.compaction_settings.prompt
    return f"own-{hashlib.sha256(own.encode()).hexdigest()[:12]}" if own else PROMPT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a model's summary is worth.

    `text` is None when it cannot stand for what leaves at all. `missing` are the anchors it
    dropped and `invented` those that nobody said; `is_poor`: so many of either that it should be
    asked for again.
    """

    text: str | None
    missing: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    is_poor: bool = False

    @property
    def faults(self) -> int:
        """How much is wrong with it; the lower, the better."""
        return len(self.missing) + INVENTED_WEIGHT * len(self.invented)


def judge_summary(reply: Reply | None, source: Source) -> Verdict:
    """Judge a summary by code.

    Args:
        reply: what the model answered; None: nothing.
        source: what the summary is to stand for.

    Returns:
        No text when the answer was cut off, is empty, says the same again and again, or is
        longer than what it replaces.
    """
    text = reply.text.strip() if reply is not None and reply.finish == "stop" else ""
    once = _said_once(text)
    repeats = len(once) < len(text) * REPEATED_SHARE
    if not text or repeats or estimate_text(once) >= max(source.tokens, LEAST_REPLACED_TOKENS):
        return Verdict(text=None)
    anchors = anchors_of(source.said)
    missing = missing_from(once, anchors)
    invented = invented_in(once, f"{source.known}\n{source.text}\n{source.said}")
    return Verdict(
        text=once,
        missing=missing,
        invented=invented,
        is_poor=bool(invented) or len(missing) > THIN_SHARE * len(anchors),
    )


def _said_once(text: str) -> str:
    """The text without lines that it has said before."""
    return "\n".join(dict.fromkeys(line.rstrip() for line in text.splitlines() if line.strip()))


def again(request: Request, verdict: Verdict) -> Request:
    """The request that asks once more, naming what was wrong with the first summary."""
    demands: list[str] = []
    if verdict.text is None:
        demands.append(
            "A first answer was empty, broken off, repeated itself or was longer than what it "
            "replaces. Answer with the summary only, and keep it short."
        )
    if verdict.missing:
        named = ", ".join(verdict.missing[:MOST_NAMED])
        demands.append(f"A first summary left these out. Keep them word for word: {named}")
    if verdict.invented:
        named = ", ".join(verdict.invented[:MOST_NAMED])
        demands.append(f"A first summary named these, which nobody said. Leave them out: {named}")
    demand = Turn(role="user", parts=(Text(text="\n".join(demands)),))
    return replace(request, turns=(*request.turns, demand))


def finished(verdict: Verdict, source: Source, state: State) -> str | None:
    """The summary as it is stored: without what it made up, and completed with what it dropped.

    Returns:
        None when nothing true is left of it.
    """
    if verdict.text is None:
        return None
    text = without(verdict.text, verdict.invented)
    if not text:
        return None
    missing = missing_from(text, anchors_of(source.said))
    limit = max(len(text), source.budget_tokens * 4) + 400
    return within(completed(text, missing, limit), state)


# A summary of a few words may be longer than what it replaces without being wrong.
LEAST_REPLACED_TOKENS = 64
# Above this share of dropped anchors a summary is asked for again, once.
THIN_SHARE = 0.3
# Below this share of its length once every line counts once, an answer only repeats itself.
REPEATED_SHARE = 0.5
# A thing that nobody said is worse than one that was left out.
INVENTED_WEIGHT = 3
MOST_NAMED = 60
