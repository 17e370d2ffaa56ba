"""Having a model write what code wrote as a stand-in.

Path: engine.compact -> written_by_a_model -> core.summarize -> the model.
A summary for which no model can be asked stays a stand-in, and the next compaction asks again;
one that a model wrote badly twice is replaced by the extractive one for good.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.compaction import (
    EXTRACTIVE,
    extractive,
    is_by_agent,
    leaf_budget,
    node_budget,
    with_request,
    within,
)
from remanence.core.context import compile_context
from remanence.core.exchange import Reply, Text
from remanence.core.extract import said_in
from remanence.core.summarize import (
    again,
    finished,
    judge_summary,
    prompt_version,
    self_summary_request,
    source_of_messages,
    source_of_summaries,
    summary_request,
)
from remanence.core.tokens import estimate_request, estimate_text
from remanence.engine.spend import asked
from remanence.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from remanence.core.compaction import Cut, Eviction
    from remanence.core.exchange import Request
    from remanence.core.summaries import StandIn, Summary, SummaryAuthor
    from remanence.core.summarize import Source
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# How many characters of the message that stays first the agent is shown, to know where to stop.
SHOWN_CHARS = 80


@dataclass(slots=True)
class Allowance:
    """What may still be spent on summaries: calls of a model, and tokens in and out."""

    calls: int
    tokens: int

    @property
    def is_spent(self) -> bool:
        """Whether nothing may be asked any more."""
        return self.calls <= 0 or self.tokens <= 0

    def spend(self, request: Request, reply: Reply | None) -> None:
        """Count a call: by the provider's own count of tokens, or by our estimate."""
        usage = reply.usage if reply is not None else None
        self.calls -= 1
        self.tokens -= usage.total_tokens if usage is not None else estimate_request(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summariser:
    """Asks for the summaries of one compaction.

    Args:
        deps: the world.
        state: the conversation as it is before the compaction.
        cut: what leaves its window, and what stays.
        allowance: what may be spent.
        deadline: seconds of `time.monotonic`; no call lasts longer.
    """

    deps: EngineDeps
    state: State
    cut: Cut
    allowance: Allowance
    deadline: float

    def written(self, eviction: Eviction) -> Eviction:
        """`eviction` with the summaries of a model in place of its stand-ins.

        Those below come first, so that a summary of summaries is made of what a model wrote.
        """
        known = {summary.id: summary for summary in self.state.summaries}
        made: list[Summary] = []
        for summary in eviction.written:
            children = [
                known[child] for child, parent in eviction.parents.items() if parent == summary.id
            ]
            new = self._node(summary, children) if children else self._leaf(summary)
            known[new.id] = new
            made.append(new)
        return replace(eviction, written=tuple(made))

    def rewritten(
        self, eviction: Eviction, stand_ins: Sequence[StandIn], *, author: SummaryAuthor
    ) -> Eviction:
        """`eviction` with a summary of a model above each older stand-in that is still in view.

        The stand-in stays below it: what was in view once can be shown again.
        """
        written, parents = list(eviction.written), dict(eviction.parents)
        for old in stand_ins:
            if old.summary.id in parents:
                continue
            source = (
                source_of_summaries(self.state, old.children)
                if old.children
                else source_of_messages(self.state, old.messages, self._zone())
            )
            text, is_final = self._text(summary_request(self.state, source), source)
            if not is_final:
                continue
            new = replace(
                old.summary,
                id=self.deps.new_id("summary"),
                created_at=self.deps.now(),
                author=author,
            )
            written.append(self._signed(new, text or old.summary.text, by_model=text is not None))
            parents[old.summary.id] = new.id
        return replace(eviction, written=tuple(written), parents=parents)

    def _leaf(self, summary: Summary) -> Summary:
        messages = [
            message
            for message in self.cut.leaving
            if message.seq is not None and summary.from_seq <= message.seq <= summary.to_seq
        ]
        source = source_of_messages(self.state, messages, self._zone())
        request, source = self._asked(source, is_all=len(messages) == len(self.cut.leaving))
        text, is_final = self._text(request, source)
        if text is None:
            return replace(summary, is_stand_in=not is_final)
        if summary.to_seq == self.cut.leaving[-1].seq:
            text = within(with_request(text, self.cut, leaf_budget(self.state)), self.state)
        return self._signed(summary, text, by_model=True)

    def _node(self, summary: Summary, children: Sequence[Summary]) -> Summary:
        source = source_of_summaries(self.state, children)
        text, is_final = self._text(summary_request(self.state, source), source)
        if text is None:
            words = within(extractive(children, node_budget(self.state)), self.state)
            new = replace(summary, text=words, tokens=estimate_text(words))
            return replace(new, is_stand_in=not is_final)
        return self._signed(summary, text, by_model=True)

    def _asked(self, source: Source, *, is_all: bool) -> tuple[Request, Source]:
        """The question to the summariser, or to the agent itself if its settings say so."""
        if not (is_by_agent(self.state) and is_all):
            return summary_request(self.state, source), source
        first = next((m for m in self.cut.staying if m.role in ("user", "assistant")), None)
        upto = " ".join(said_in((first,)).split())[:SHOWN_CHARS] if first else ""
        context = compile_context(self.state, self._zone())
        request = self_summary_request(self.state, context, source, upto=upto)
        seen = [
            part.text for turn in request.turns for part in turn.parts if isinstance(part, Text)
        ]
        return request, replace(source, known="\n".join((request.system, *seen)))

    def _text(self, request: Request, source: Source) -> tuple[str | None, bool]:
        """What a model made of `source`, or None; and whether that is the last word on it.

        It is not when no model could be asked. A summary that drops too much, or names what
        nobody said, is asked for once more: at most two calls.
        """
        reply = self._ask(request)
        if reply is None:
            return None, False
        verdict = judge_summary(reply, source)
        if verdict.is_poor or verdict.text is None:
            second = judge_summary(self._ask(again(request, verdict)), source)
            if second.text is not None and (verdict.text is None or second.faults < verdict.faults):
                verdict = second
        return finished(verdict, source, self.state), True

    def _ask(self, request: Request) -> Reply | None:
        if self.allowance.is_spent or self.deps.monotonic() >= self.deadline:
            return None
        reply: Reply | None = None
        try:
            reply = asked(self.deps, self.state, request, self.deadline)
        except AppError as error:
            log.warning("no summary from %s: %s", request.handle, error.code)
        self.allowance.spend(request, reply)
        return reply

    def _signed(self, summary: Summary, text: str, *, by_model: bool) -> Summary:
        settings = self.state.agent.compaction_settings
        asked = None if is_by_agent(self.state) else settings.model
        return replace(
            summary,
            text=text,
            tokens=estimate_text(text),
            model=(asked or self.state.agent.model) if by_model else EXTRACTIVE,
            prompt_version=prompt_version(self.state) if by_model else None,
            is_stand_in=False,
        )

    def _zone(self) -> tzinfo:
        return self.deps.zones(self.state.agent.timezone)
