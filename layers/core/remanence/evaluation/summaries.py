"""What is left in view of a long conversation when no model writes its summaries.

Path: cli -> measure_summaries -> core.compaction. Pure but for reading the datasets: no database,
no model. Turn by turn a conversation goes through a window that is compacted whenever it is full,
as the sweep does; then the anchors of what has left it (names, numbers, dates, addresses, quotes)
are looked for in what the next request would hold, and in the tree below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from remanence.core.anchors import anchors_of, missing_from
from remanence.core.compaction import apply_eviction, evict, plan_cut
from remanence.core.exchange import ModelSettings, Text, Usage
from remanence.core.extract import said_in
from remanence.core.ids import DEFAULT_ORG_ID, AgentId, ConversationId, MessageId, RunId
from remanence.core.summaries import CompactionSettings
from remanence.core.tokens import estimate_parts
from remanence.core.types import (
    Agent,
    Conversation,
    MemoryCounts,
    Message,
    Run,
    RunOptions,
    State,
    TokenAnchor,
)
from remanence.evaluation.dataset import read_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from remanence.core.summaries import Summary
    from remanence.evaluation.dataset import Turn

# When the window is compacted, and what it keeps then: shares of it.
FULL_SHARE = 0.7
KEPT_SHARE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of one conversation.

    `evicted_tokens` left the window and `summary_tokens` stand for them in view. Of the `anchors`
    of what left, `in_view` are in the next request, `in_tree` in some summary, and `in_reach` in
    the words that expanding the summaries in view leads to.
    """

    conv_id: str
    messages: int
    compactions: int
    depth: int
    evicted_tokens: int
    summary_tokens: int
    anchors: int
    in_view: int
    in_tree: int
    in_reach: int


def measure_summaries(
    folders: Sequence[Path], *, windows: Sequence[int], say: Callable[[str], None]
) -> None:
    """Print, for each dataset and window size, what is kept of its conversations.

    Args:
        folders: one per dataset, as `dataset.read_dataset` takes them.
        windows: context windows, in tokens.
        say: told every line of the report.
    """
    for folder in folders:
        dataset = read_dataset(folder)
        for window in windows:
            say(f"{dataset.name}, a window of {window:,} tokens, summaries by code alone")
            say(_HEAD)
            kept = [follow(turns, window=window) for turns in dataset.turns.values()]
            for one in kept:
                say(_row(one.conv_id, [one]))
            say(_row("all", kept))
            say("")


_HEAD = (
    f"{'conversation':<16}{'messages':>9}{'compactions':>12}{'depth':>6}{'tokens out':>11}"
    f"{'in summary':>11}{'ratio':>7}{'anchors':>9}{'in view':>9}{'in tree':>9}{'in reach':>9}"
)


def _row(name: str, kept: Sequence[Kept]) -> str:
    out, held, anchors = (
        sum(getattr(one, field) for one in kept)
        for field in ("evicted_tokens", "summary_tokens", "anchors")
    )
    shares = [
        f"{100 * sum(getattr(one, field) for one in kept) / max(anchors, 1):>7.1f} %"
        for field in ("in_view", "in_tree", "in_reach")
    ]
    return (
        f"{name:<16}{sum(one.messages for one in kept):>9,}"
        f"{sum(one.compactions for one in kept):>12}{max(one.depth for one in kept):>6}"
        f"{out:>11,}{held:>11,}{out / max(held, 1):>7.1f}{anchors:>9,}{''.join(shares)}"
    )


def follow(turns: Sequence[Turn], *, window: int) -> Kept:
    """Take a conversation through a window of so many tokens."""
    ids = count(1)
    state = _beginning(turns[0].at, window)
    every: list[Summary] = []
    left: list[Message] = []
    compactions = 0
    for seq, turn in enumerate(turns, start=1):
        state = _with(state, _message(turn, seq))
        if sum(message.tokens for message in state.window) <= window * FULL_SHARE:
            continue
        cut = plan_cut(state.window, int(window * KEPT_SHARE))
        if not cut.leaving:
            continue
        eviction = evict(state, cut, now=turn.at, new_id=lambda: f"summary-{next(ids)}")
        state = apply_eviction(state, eviction)
        every += eviction.written
        left += cut.leaving
        compactions += 1
    return _kept(turns[0].conv_id, state, every, left, compactions)


def _kept(
    conv_id: str,
    state: State,
    every: Sequence[Summary],
    left: Sequence[Message],
    compactions: int,
) -> Kept:
    anchors = anchors_of(said_in(left))
    in_view = f"{said_in(state.summaries)}\n{said_in(state.window)}"
    spans = [range(root.from_seq, root.to_seq + 1) for root in state.summaries]
    reached = [m for m in left if any(m.seq in span for span in spans)]
    return Kept(
        conv_id=conv_id,
        messages=len(left) + len(state.window),
        compactions=compactions,
        depth=max((summary.level for summary in every), default=0),
        evicted_tokens=sum(message.tokens for message in left),
        summary_tokens=sum(root.tokens for root in state.summaries),
        anchors=len(anchors),
        in_view=len(anchors) - len(missing_from(in_view, anchors)),
        in_tree=len(anchors) - len(missing_from(f"{in_view}\n{said_in(every)}", anchors)),
        in_reach=len(anchors) - len(missing_from(f"{in_view}\n{said_in(reached)}", anchors)),
    )


def _message(turn: Turn, seq: int) -> Message:
    parts = (Text(text=turn.text),)
    return Message(
        id=MessageId(turn.msg_id),
        role="user",
        parts=parts,
        created_at=turn.at,
        seq=seq,
        tokens=estimate_parts(parts),
    )


def _with(state: State, message: Message) -> State:
    return replace(state, window=(*state.window, message))


def _beginning(at: datetime, window: int) -> State:
    """An empty conversation of an agent that is nothing but its window."""
    agent_id, conversation_id = AgentId("agent"), ConversationId("conv")
    agent = Agent(
        id=agent_id,
        name="measured",
        agent_type="letta_v1_agent",
        system="",
        model="none/none",
        embedding=None,
        description=None,
        context_window_limit=window,
        model_settings=ModelSettings(),
        compaction_settings=CompactionSettings(),
        tool_rules=(),
        tags=(),
        metadata={},
        timezone="UTC",
        message_buffer_autoclear=False,
        hidden=False,
        extras={},
        version=1,
        created_at=at,
        updated_at=at,
    )
    run = Run(
        id=RunId("run"),
        agent_id=agent_id,
        conversation_id=conversation_id,
        status="running",
        options=RunOptions(),
        background=False,
        created_at=at,
    )
    conversation = Conversation(
        id=conversation_id,
        agent_id=agent_id,
        is_default=True,
        next_seq=1,
        window_from_seq=1,
        anchor=TokenAnchor(),
    )
    return State(
        org_id=DEFAULT_ORG_ID,
        agent=agent,
        blocks=(),
        tools=(),
        conversation=conversation,
        run=run,
        step_no=1,
        window=(),
        summaries=(),
        counts=MemoryCounts(),
        called_tools=(),
        usage=Usage(),
        fence=0,
        lease_token="",
    )
