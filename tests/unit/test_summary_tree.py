from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.states import NOON

from remanence.core.summaries import Summary
from remanence.core.summary_tree import due_fold, roots_of


def roots(*levels: int, tokens: int = 10) -> tuple[Summary, ...]:
    return tuple(
        Summary(
            id=f"summary-{place}",
            level=level,
            from_seq=place,
            to_seq=place,
            text=f"what was said at {place}",
            tokens=tokens,
            model="scripted/model",
            created_at=NOON,
        )
        for place, level in enumerate(levels, start=1)
    )


@pytest.mark.parametrize(
    ("levels", "budget_tokens", "folded"),
    [
        ((), 100, []),
        ((0,), 0, []),  # one alone stands, whatever its size
        ((0, 0, 0), 100, []),
        ((0, 0, 0, 0), 100, [1, 2, 3]),  # one more than the fan-out: the newest stays a leaf
        ((1, 1, 1, 0), 100, []),
        ((1, 1, 1, 1, 0), 100, [1, 2, 3]),
        ((2, 1, 0, 0, 0, 0), 100, [3, 4, 5]),  # the lowest level first
        ((1, 1, 0), 20, [1, 2]),  # over the budget: the oldest of equal level
        ((2, 1, 1, 0), 30, [2, 3]),
        ((2, 1, 0), 20, [2, 3]),  # no two of equal level: the newest two
    ],
)
def test_due_fold(levels: tuple[int, ...], budget_tokens: int, folded: list[int]) -> None:
    found = due_fold(roots(*levels), fan_out=3, budget_tokens=budget_tokens)

    assert [summary.from_seq for summary in found] == folded


@settings(max_examples=60, deadline=None)
@given(
    leaves=st.integers(1, 120),
    fan_out=st.integers(2, 8),
    tokens=st.integers(1, 40),
    budget_tokens=st.integers(1, 400),
)
def test_every_leaf_is_under_one_root_and_is_folded_again_seldom(
    leaves: int, fan_out: int, tokens: int, budget_tokens: int
) -> None:
    everything: dict[str, Summary] = {}
    parents: dict[str, str] = {}
    for leaf in roots(*[0] * leaves, tokens=tokens):
        everything[leaf.id] = leaf
        while folded := due_fold(
            roots_of(list(everything.values()), parents),
            fan_out=fan_out,
            budget_tokens=budget_tokens,
        ):
            node = replace(
                folded[0],
                id=f"summary-{len(everything) + 1_000}",
                level=max(child.level for child in folded) + 1,
                to_seq=folded[-1].to_seq,
            )
            everything[node.id] = node
            parents |= {child.id: node.id for child in folded}

    standing = roots_of(list(everything.values()), parents)
    covered = [seq for root in standing for seq in range(root.from_seq, root.to_seq + 1)]
    assert covered == list(range(1, leaves + 1))
    for node_id in set(parents.values()):
        children = [everything[child] for child, parent in parents.items() if parent == node_id]
        spans = sorted((child.from_seq, child.to_seq) for child in children)
        assert spans[0][0] == everything[node_id].from_seq
        assert spans[-1][1] == everything[node_id].to_seq
        assert all(one[1] + 1 == two[0] for one, two in itertools.pairwise(spans))
    deepest = max(summary.level for summary in everything.values())
    if tokens * 2 <= budget_tokens:  # even in the smallest room, far fewer than the leaves
        assert deepest * (deepest - 1) <= 2 * leaves
    if tokens * (leaves + 1) <= budget_tokens:  # only the fan-out folds: depth is logarithmic
        assert fan_out**deepest <= leaves
