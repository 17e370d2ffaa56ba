"""Choosing what leaves the context window, and what stands for it.

Path: core.plan.plan_step (the window is full) and engine.compact (ahead of need)
-> plan_cut -> evict -> db commit. Pure: reading, asking a model and writing are the caller's; the
summaries made here are extractive, so a step that must make room never waits for a model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from remanence.core.anchors import anchors_of, completed, missing_from
from remanence.core.extract import extract_summary, said_in
from remanence.core.summaries import Summary
from remanence.core.summary_tree import due_fold, roots_of
from remanence.core.tokens import estimate_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from remanence.core.summaries import SummaryAuthor
    from remanence.core.types import Message, State

# Share of the context window that all summaries together may fill.
SUMMARIES_SHARE = 0.15
# Share of the summaries' room that a leaf, and that a summary of summaries, may fill: of what was
# tried the best share of anchors in view (`remanence eval summaries`), with a shallow tree still.
LEAF_SHARE = 1 / 4
NODE_SHARE = 1 / 2
# A model that writes more than this does not summarise.
LEAF_TOKENS = (48, 1_500)
NODE_TOKENS = (48, 3_000)
# The most that one leaf covers: a share of the context window, so that a model can read it whole.
LEAF_SPAN_SHARE = 0.6
EXTRACTIVE = "extractive"
# How an extractive summary divides its room: sentences, and the anchors of what they leave out.
SENTENCES_SHARE = 0.7
CHARS_PER_TOKEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where the window is cut: `leaving` (oldest first) goes, `staying` is the new window."""

    leaving: tuple[Message, ...]
    staying: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """A compaction, ready to be written.

    The window starts at `window_from_seq` instead of `base_window_from_seq`; `written` are the
    new summaries, those below before those above; `parents` maps a summary's id to the one that
    now stands for it.
    """

    base_window_from_seq: int
    window_from_seq: int
    written: tuple[Summary, ...]
    parents: dict[str, str]


def plan_cut(window: Sequence[Message], budget_tokens: int) -> Cut:
    """Pick the oldest messages to replace by a summary.

    Args:
        window: in-context messages, oldest first; `tokens` is an estimate of each.
        budget_tokens: what history may keep; at least the newest exchange stays, even above it.

    Returns:
        The cut; `staying` is a suffix of `window`, order unchanged.

    Invariants:
        A tool call and its returns leave together.
        The newest user message stays, unless what follows it is over the budget alone: then
        the oldest steps after it leave with it, and its words must be carried into the summary.
        Running it again on `staying` takes nothing.

    Source: MemGPT, arXiv:2310.08560 (queue manager).
    """
    kept = sum(message.tokens for message in window)
    cut = 0
    for place in range(len(window)):
        if window[place].role != "tool":  # a return never begins a window
            cut = place
            if kept <= budget_tokens:
                break
        kept -= window[place].tokens
    return Cut(leaving=tuple(window[:cut]), staying=tuple(window[cut:]))


def evict(
    state: State,
    cut: Cut,
    *,
    now: datetime,
    new_id: Callable[[], str],
    author: SummaryAuthor = "step",
) -> Eviction:
    """The compaction that `cut` means for `state`, with summaries made by code.

    Args:
        state: what the window was cut from.
        cut: its `leaving` is not empty.
        now: when.
        new_id: makes ids of summaries.
        author: whose work it is part of.

    Returns:
        New leaves that cover `leaving`, each no more than a model can read, and the summaries
        above that the tree then needs. Every message before the new window is covered by exactly
        one summary without a parent. All that is written is a stand-in.
    """
    blank = partial(Summary, model=EXTRACTIVE, created_at=now, is_stand_in=True, author=author)
    written = [
        blank(
            id=new_id(),
            level=0,
            from_seq=_seq(span[0]),
            to_seq=_seq(span[-1]),
            text=text,
            tokens=estimate_text(text),
        )
        for span, text in _leaves(state, cut)
    ]
    parents: dict[str, str] = {}
    while folded := due_fold(
        roots_of((*state.summaries, *written), parents),
        fan_out=state.agent.compaction_settings.fan_out,
        budget_tokens=summaries_budget(state),
    ):
        text = within(extractive(folded, node_budget(state)), state)
        node = blank(
            id=new_id(),
            level=max(child.level for child in folded) + 1,
            from_seq=folded[0].from_seq,
            to_seq=folded[-1].to_seq,
            text=text,
            tokens=estimate_text(text),
        )
        written.append(node)
        parents |= {child.id: node.id for child in folded}
    return Eviction(
        base_window_from_seq=state.conversation.window_from_seq,
        window_from_seq=_seq(cut.leaving[-1]) + 1,
        written=tuple(written),
        parents=parents,
    )


def _leaves(state: State, cut: Cut) -> Iterator[tuple[tuple[Message, ...], str]]:
    """What each new leaf covers and says, oldest first."""
    limit = int(state.agent.context_window_limit * LEAF_SPAN_SHARE)
    # an agent that summarises for itself has all of it in view
    spans = [cut.leaving] if is_by_agent(state) else list(_spans(cut.leaving, limit))
    for span in spans:
        text = extractive(span, leaf_budget(state))
        if span is spans[-1]:
            text = with_request(text, cut, leaf_budget(state))
        yield span, within(text, state)


def _spans(leaving: Sequence[Message], most_tokens: int) -> Iterator[tuple[Message, ...]]:
    """`leaving` in pieces of at most that many tokens; a call and its returns stay together."""
    span: list[Message] = []
    size = 0
    for message in leaving:
        if span and message.role != "tool" and size + message.tokens > most_tokens:
            yield tuple(span)
            span, size = [], 0
        span.append(message)
        size += message.tokens
    yield tuple(span)


def _seq(message: Message) -> int:
    if message.seq is None:
        msg = f"message {message.id!r} is not stored, so it cannot leave the window"
        raise ValueError(msg)
    return message.seq


def is_by_agent(state: State) -> bool:
    """Whether the agent itself, in the context that it works in, writes its summaries."""
    return state.agent.compaction_settings.mode.startswith("self_compact")


def summaries_budget(state: State) -> int:
    """What all summaries together may fill, in tokens."""
    return int(state.agent.context_window_limit * SUMMARIES_SHARE)


def leaf_budget(state: State) -> int:
    """What a summary of messages may fill, in tokens."""
    least, most = LEAF_TOKENS
    return min(most, max(least, int(summaries_budget(state) * LEAF_SHARE)))


def node_budget(state: State) -> int:
    """What a summary of summaries may fill, in tokens."""
    least, most = NODE_TOKENS
    return min(most, max(least, int(summaries_budget(state) * NODE_SHARE)))


def extractive(items: Sequence[Message] | Sequence[Summary], budget_tokens: int) -> str:
    """The weightiest sentences, and behind them the names and numbers of the others."""
    text = extract_summary(items, int(budget_tokens * SENTENCES_SHARE))
    missing = missing_from(text, anchors_of(said_in(items)))
    room_chars = int(budget_tokens * (1 - SENTENCES_SHARE)) * CHARS_PER_TOKEN
    return completed(text, missing, len(text) + room_chars)


def with_request(text: str, cut: Cut, budget_tokens: int) -> str:
    """The summary of the newest of what leaves; in front of it the request, if that leaves too.

    A run is still working on it, so its words must stay in view.
    """
    asked = [message for message in cut.leaving if message.role == "user"]
    if not asked or any(message.role == "user" for message in cut.staying):
        return text
    words = extract_summary(asked[-1:], budget_tokens)
    return f"The request that is being worked on:\n{words}\n{text}"


def within(text: str, state: State) -> str:
    """A summary as the agent's settings allow it: at most `clip_chars`, cut at a line if it can."""
    limit = state.agent.compaction_settings.clip_chars
    if limit is None or len(text) <= limit:
        return text
    head = text[:limit]
    whole_lines = head.rpartition("\n")[0]
    return whole_lines if len(whole_lines) > limit // 2 else head


def apply_eviction(state: State, eviction: Eviction) -> State:
    """`state` as it is once `eviction` is written."""
    start = eviction.window_from_seq
    return replace(
        state,
        conversation=replace(state.conversation, window_from_seq=start),
        window=tuple(
            message for message in state.window if message.seq is None or message.seq >= start
        ),
        summaries=roots_of((*state.summaries, *eviction.written), eviction.parents),
        counts=replace(state.counts, recall=start - 1),
    )
