"""Choosing what leaves the context window, and what stands for it.

Path: core.step.plan_step (the window is full) and engine.compact (ahead of need)
-> plan_eviction -> a summary -> db commit. Pure: reading, summarising and writing are the
caller's; the extractive summary, which needs no model, is here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.anchors import anchors_of, completed, missing_from
from remanence.core.extract import extract_summary, said_in
from remanence.core.tokens import estimate_text
from remanence.core.types import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from remanence.core.types import Message, State

# Summaries side by side in the window before the oldest are folded into one above them.
FAN_OUT = 6
# Share of the context window that all summaries together may fill.
SUMMARIES_SHARE = 0.15
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
    new summaries; `parents` maps an older summary's id to the one that now stands for it.
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
    text: str | None = None,
    model: str = EXTRACTIVE,
    now: datetime,
    new_id: Callable[[], str],
) -> Eviction:
    """The compaction that `cut` means for `state`.

    Args:
        state: what the window was cut from.
        cut: its `leaving` is not empty.
        text: the summary of `leaving`; None: the extractive one is made here.
        model: the handle that wrote `text`.
        now: when.
        new_id: makes ids of summaries.

    Returns:
        One new leaf that covers `leaving`, and, when too many summaries stand side by side, one
        node above the oldest of them. Every message before the new window is then covered by
        exactly one summary without a parent.
    """
    budget = summaries_budget(state)
    leaf = Summary(
        id=new_id(),
        level=0,
        from_seq=_seq(cut.leaving[0]),
        to_seq=_seq(cut.leaving[-1]),
        text=text or _extractive(cut.leaving, budget // FAN_OUT),
        tokens=0,
        model=model if text else EXTRACTIVE,
        created_at=now,
    )
    if not any(message.role == "user" for message in cut.staying):
        leaf = replace(leaf, text=_with_request(leaf.text, cut.leaving, budget // FAN_OUT))
    leaf = replace(leaf, tokens=estimate_text(leaf.text))
    roots = (*state.summaries, leaf)
    folded = _fold(roots, budget, now, new_id)
    written = (leaf,) if folded is None else (leaf, folded)
    parents = {} if folded is None else {old.id: folded.id for old in roots[:FAN_OUT]}
    return Eviction(
        base_window_from_seq=state.conversation.window_from_seq,
        window_from_seq=_seq(cut.leaving[-1]) + 1,
        written=written,
        parents=parents,
    )


def _extractive(leaving: Sequence[Message], budget_tokens: int) -> str:
    """The weightiest sentences, and behind them the names and numbers of the others."""
    text = extract_summary(leaving, int(budget_tokens * SENTENCES_SHARE))
    missing = missing_from(text, anchors_of(said_in(leaving)))
    room_chars = int(budget_tokens * (1 - SENTENCES_SHARE)) * CHARS_PER_TOKEN
    return completed(text, missing, len(text) + room_chars)


def _seq(message: Message) -> int:
    if message.seq is None:
        msg = f"message {message.id!r} is not stored, so it cannot leave the window"
        raise ValueError(msg)
    return message.seq


def summaries_budget(state: State) -> int:
    """What all summaries together may fill, in tokens."""
    return int(state.agent.context_window_limit * SUMMARIES_SHARE)


def _with_request(text: str, leaving: Sequence[Message], budget_tokens: int) -> str:
    """The summary with the newest user message in front: the run is still working on it."""
    asked = [message for message in leaving if message.role == "user"]
    if not asked:
        return text
    words = extract_summary(asked[-1:], budget_tokens)
    return f"The request that is being worked on:\n{words}\n{text}"


def _fold(
    roots: Sequence[Summary], budget_tokens: int, now: datetime, new_id: Callable[[], str]
) -> Summary | None:
    """One summary above the oldest `FAN_OUT`, once there are more than that side by side."""
    if len(roots) <= FAN_OUT:
        return None
    oldest = roots[:FAN_OUT]
    text = extract_summary(oldest, budget_tokens // 2)
    return Summary(
        id=new_id(),
        level=max(summary.level for summary in oldest) + 1,
        from_seq=oldest[0].from_seq,
        to_seq=oldest[-1].to_seq,
        text=text,
        tokens=estimate_text(text),
        model=EXTRACTIVE,
        created_at=now,
    )


def apply_eviction(state: State, eviction: Eviction) -> State:
    """`state` as it is once `eviction` is written."""
    roots = [
        summary
        for summary in (*state.summaries, *eviction.written)
        if summary.id not in eviction.parents
    ]
    start = eviction.window_from_seq
    return replace(
        state,
        conversation=replace(state.conversation, window_from_seq=start),
        window=tuple(
            message for message in state.window if message.seq is None or message.seq >= start
        ),
        summaries=tuple(sorted(roots, key=lambda summary: summary.from_seq)),
        counts=replace(state.counts, recall=start - 1),
    )
