"""`remanence eval recall`: datasets go into an organization of their own, every question is asked.

Path: cli -> run_recall -> dataset, PostgresRecall, measure, plot. The search is the product's own;
nothing here ranks. What was stored is deleted again, whatever happens.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from remanence.core.archival import NewText, PassageQuery, VectorOf
from remanence.core.ids import OrgId
from remanence.core.ranking import PARTS, Part
from remanence.evaluation.dataset import read_dataset
from remanence.evaluation.measure import BUDGETS_TOKENS, Answer, means, percentile
from remanence.evaluation.plot import plot_curves

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from remanence.core.ids import IdSource
    from remanence.db.queries import Queries
    from remanence.db.recall import PostgresRecall
    from remanence.evaluation.dataset import Ask, Dataset

# How many results a question gets: enough for ten sessions and for 4,000 tokens.
DEPTH = 100
BATCH = 100
_EMBED_LIMIT_S = 300.0
# Every question of a dataset, without some parts of the search.
AskAll: TypeAlias = "Callable[[frozenset[Part]], list[Answer]]"
_COLUMNS = ("hit@1", "hit@10", "R@5", "R@10", "R@20", "MRR", "nDCG@10", "session R@10")


class Embedder(Protocol):
    """What makes vectors."""

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text; `deadline` in seconds of `time.monotonic`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the evaluation works with. `embedding` is a handle; None: by words alone."""

    queries: Queries
    recall: PostgresRecall
    embedder: Embedder
    embedding: str | None
    new_id: IdSource
    say: Callable[[str], None]


def run_recall(
    bench: Bench,
    folders: Sequence[Path],
    *,
    ablation: bool,
    runs: Path | None,
    plot: Path | None,
) -> None:
    """Measure the search over datasets and say the figures.

    Args:
        bench: the database and its surroundings; what is stored gets its own organization.
        folders: of the datasets.
        ablation: ask every question once more without each part of the search.
        runs: a folder for the rankings, `<dataset>.jsonl` of {qid, ranked}; None: not kept.
        plot: an SVG file to write; None: none.

    Raises:
        InvalidRequest: a dataset cannot be read.
    """
    curves: dict[str, list[float]] = {}
    for folder in folders:
        dataset = read_dataset(folder)
        with _stored(bench, dataset) as ask_all:
            answers = ask_all(frozenset())
            _report(bench.say, dataset, answers)
            if ablation:
                _report_parts(bench, dataset, ask_all, answers)
        if runs is not None:
            _keep(runs / f"{dataset.name}.jsonl", answers)
        figures = _whole(dataset, answers)
        curves[dataset.name] = [figures[f"R within {budget}"] for budget in BUDGETS_TOKENS]
    if plot is not None:
        labels = [f"{budget:,} tokens" for budget in BUDGETS_TOKENS]
        plot.write_text(plot_curves("Evidence found within a budget", labels, curves))
        bench.say(f"Plot: {plot}")


@contextmanager
def _stored(bench: Bench, dataset: Dataset) -> Generator[AskAll]:
    """What asks all questions of a dataset, as often as one likes; vectors are made once."""
    # ids of agents are `agent-<uuid>`; so is that of the organization, of another kind
    org_id = OrgId(bench.new_id("agent").replace("agent-", "org-", 1))
    try:
        started = time.perf_counter()
        agents = {conv_id: _store(bench, org_id, dataset, conv_id) for conv_id in dataset.turns}
        count = sum(map(len, dataset.turns.values()))
        bench.say(f"{dataset.name}: {count} texts stored, {time.perf_counter() - started:.1f} s")
        vectors = _vectors(bench, [ask.query for ask in dataset.asks])

        def ask_all(without: frozenset[Part]) -> list[Answer]:
            return [
                _ask(bench, org_id, agents[ask.conv_id], ask, vector, without)
                for ask, vector in zip(dataset.asks, vectors, strict=True)
            ]

        yield ask_all
    finally:
        bench.queries.rows("delete_recall_set", org_id)


def _store(bench: Bench, org_id: OrgId, dataset: Dataset, conv_id: str) -> dict[str, str]:
    """Store one conversation for an agent of its own; its agent, and which passage is which."""
    agent_id, archive_id = bench.new_id("agent"), bench.new_id("archive")
    bench.queries.rows("insert_recall_agent", org_id, agent_id=agent_id, embedding=bench.embedding)
    ids = {"": agent_id}
    turns = dataset.turns[conv_id]
    for start in range(0, len(turns), BATCH):
        batch = turns[start : start + BATCH]
        vectors = _vectors(bench, [turn.text for turn in batch])
        texts = [
            NewText(id=bench.new_id("passage"), text=turn.text, created_at=turn.at, vector=vector)
            for turn, vector in zip(batch, vectors, strict=True)
        ]
        bench.recall.add_passages(org_id, agent_id, texts, new_archive_id=archive_id)
        ids |= {text.id: turn.msg_id for text, turn in zip(texts, batch, strict=True)}
    return ids


def _ask(
    bench: Bench,
    org_id: OrgId,
    ids: dict[str, str],
    ask: Ask,
    vector: VectorOf | None,
    without: frozenset[Part],
) -> Answer:
    wanted = PassageQuery(
        query=ask.query, agent_id=ids[""], vector=vector, limit=DEPTH, without=without
    )
    started = time.perf_counter()
    found = bench.recall.find_passages(org_id, wanted)
    seconds = time.perf_counter() - started
    return Answer(
        ask=ask, ranked=tuple(ids[hit.record.passage.id] for hit in found), seconds=seconds
    )


def _vectors(bench: Bench, texts: Sequence[str]) -> list[VectorOf | None]:
    if bench.embedding is None:
        return [None] * len(texts)
    made: list[VectorOf | None] = []
    for start in range(0, len(texts), BATCH):
        deadline = time.monotonic() + _EMBED_LIMIT_S
        batch = texts[start : start + BATCH]
        vectors = bench.embedder.embed(bench.embedding, batch, deadline=deadline)
        made += (VectorOf(values=tuple(values), model=bench.embedding) for values in vectors)
    return made


def _report(say: Callable[[str], None], dataset: Dataset, answers: Sequence[Answer]) -> None:
    groups: tuple[tuple[str, Callable[[Ask], str]], ...] = (
        ("category", lambda ask: ask.category),
        ("language", lambda ask: ask.language),
    )
    for title, group_of in groups:
        say(f"{title:26}{'n':>6}" + "".join(f"{column:>14}" for column in _COLUMNS))
        for name, (count, figures) in means(answers, dataset, group_of).items():
            cells = "".join(f"{100 * figures[column]:14.1f}" for column in _COLUMNS)
            say(f"{name:26}{count:6}{cells}")
    figures = _whole(dataset, answers)
    within = ", ".join(
        f"{budget:,}: {100 * figures[f'R within {budget}']:.1f}" for budget in BUDGETS_TOKENS
    )
    say(f"evidence found within tokens: {within}")
    times = [answer.seconds for answer in answers]
    empty = sum(not answer.ranked for answer in answers)
    p50, p95, p99 = (1000 * percentile(times, share) for share in (0.5, 0.95, 0.99))
    say(f"ms per search: p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f}; without a result: {empty}\n")


def _report_parts(
    bench: Bench, dataset: Dataset, ask_all: AskAll, answers: Sequence[Answer]
) -> None:
    """What is lost without each part of the search that this measurement has."""
    whole = _whole(dataset, answers)
    bench.say(f"{'without':26}" + "".join(f"{column:>14}" for column in _COLUMNS))
    for part in PARTS:
        if bench.embedding is None and part in ("words", "vector"):
            continue  # the only leg, and none
        figures = _whole(dataset, ask_all(frozenset({part})))
        cells = "".join(
            f"{100 * figures[column]:7.1f} {100 * (figures[column] - whole[column]):+6.1f}"
            for column in _COLUMNS
        )
        bench.say(f"{part:26}{cells}")
    bench.say("")


def _whole(dataset: Dataset, answers: Sequence[Answer]) -> dict[str, float]:
    _, figures = means(answers, dataset, lambda ask: ask.category)["all"]
    return figures


def _keep(path: Path, answers: Sequence[Answer]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"qid": a.ask.qid, "ranked": a.ranked}) + "\n" for a in answers)
    path.write_text("".join(lines), encoding="utf-8")
