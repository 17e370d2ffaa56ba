"""The tree of summaries: which of them are folded into one above, and when.

Path: core.compaction.evict -> due_fold. Pure.
The roots, oldest first, cover everything before the window, each message once. Their levels fall
from the oldest to the newest, as the digits of a number do: `fan_out` summaries of a level and one
more, and the oldest `fan_out` become one of the level above. So a word is summarised again
log(history) times and not at every compaction, and the newest summaries stay the most detailed.
Where their room is too small for that, it holds two nodes beside the leaves: then a word is
summarised again about as often as the square root of twice the number of leaves.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.summaries import Summary


def due_fold(roots: Sequence[Summary], *, fan_out: int, budget_tokens: int) -> tuple[Summary, ...]:
    """The neighbours that are to become one summary next.

    Args:
        roots: summaries without a parent, oldest first.
        fan_out: how many of one level may stand side by side; at least 2.
        budget_tokens: what all roots together may fill.

    Returns:
        Two or more neighbours; empty when the roots may stand as they are. Over the budget, the
        oldest of equal level go first, then the two newest: the oldest words have been summarised
        most often already, and in a room for two nodes would be again with every new one.

    Invariants:
        Folding what comes back, again and again, ends: every fold leaves fewer roots, and one
        root alone is never folded.
    """
    if len(roots) < 2:
        return ()
    runs = [tuple(run) for _, run in groupby(roots, key=lambda root: root.level)]
    crowded = [run for run in runs if len(run) > fan_out]
    if crowded:
        return crowded[-1][:fan_out]
    if sum(root.tokens for root in roots) <= budget_tokens:
        return ()
    pairs = [run for run in runs if len(run) > 1]
    return pairs[0][:fan_out] if pairs else tuple(roots[-2:])


def roots_of(summaries: Sequence[Summary], parents: dict[str, str]) -> tuple[Summary, ...]:
    """Those of `summaries` that have no parent, oldest first."""
    without = (summary for summary in summaries if summary.id not in parents)
    return tuple(sorted(without, key=lambda summary: summary.from_seq))
