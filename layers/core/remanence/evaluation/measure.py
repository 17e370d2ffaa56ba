"""What a ranking is worth: recall, hits, MRR, nDCG, and recall within a budget of tokens. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.core.tokens import estimate_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from remanence.evaluation.dataset import Ask, Dataset

CUTS = (1, 5, 10, 20)
BUDGETS_TOKENS = (500, 1_000, 2_000, 4_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a search found for a question, best first, and how long it took."""

    ask: Ask
    ranked: tuple[str, ...]
    seconds: float


def measure(answer: Answer, dataset: Dataset) -> dict[str, float]:
    """The figures of one answer, each from 0 to 1.

    `hit@k`: any evidence in the first k; `R@k`: the share of it; `session R@10`: the share of the
    sessions with evidence among the first ten different sessions; `R within n`: the share of
    evidence in the results that fit n tokens together.
    """
    evidence, ranked = answer.ask.evidence, answer.ranked
    turns = {turn.msg_id: turn for turn in dataset.turns[answer.ask.conv_id]}
    figures: dict[str, float] = {}
    for cut in CUTS:
        hits = len(evidence.intersection(ranked[:cut]))
        figures[f"hit@{cut}"] = float(hits > 0)
        figures[f"R@{cut}"] = hits / len(evidence)
    places = [place for place, msg_id in enumerate(ranked, start=1) if msg_id in evidence]
    figures["MRR"] = 1 / places[0] if places else 0.0
    figures["nDCG@10"] = _gain(place for place in places if place <= 10) / _gain(
        range(1, min(10, len(evidence)) + 1)
    )
    sessions = dict.fromkeys(turns[msg_id].session for msg_id in ranked if msg_id in turns)
    wanted = {turns[msg_id].session for msg_id in evidence if msg_id in turns}
    first = set(list(sessions)[:10])
    figures["session R@10"] = len(wanted & first) / len(wanted) if wanted else 0.0
    sizes = [estimate_text(turns[msg_id].text) if msg_id in turns else 0 for msg_id in ranked]
    for budget in BUDGETS_TOKENS:
        fitting = _fitting(ranked, sizes, budget)
        figures[f"R within {budget}"] = len(evidence & fitting) / len(evidence)
    return figures


def _gain(places: Iterable[int]) -> float:
    return sum(1 / math.log2(place + 1) for place in places)


def _fitting(ranked: Sequence[str], sizes: Sequence[int], budget: int) -> set[str]:
    kept: set[str] = set()
    left = budget
    for msg_id, size in zip(ranked, sizes, strict=True):
        if size <= left:
            kept.add(msg_id)
            left -= size
    return kept


def means(
    answers: Sequence[Answer], dataset: Dataset, group_of: Callable[[Ask], str]
) -> dict[str, tuple[int, dict[str, float]]]:
    """How many questions each group has, and the means of their figures; "all" comes first."""
    groups: defaultdict[str, list[Mapping[str, float]]] = defaultdict(list)
    for answer in answers:
        figures = measure(answer, dataset)
        groups["all"].append(figures)
        groups[group_of(answer.ask)].append(figures)
    return {
        name: (len(rows), {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]})
        for name, rows in groups.items()
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed; of none, 0."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
