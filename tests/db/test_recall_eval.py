"""The measurement, over a dataset whose figures can be told by hand."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from support.past import START

from remanence.cli import main
from remanence.errors import InvalidRequest
from remanence.evaluation.dataset import read_dataset
from remanence.evaluation.measure import Answer, measure, percentile
from remanence.evaluation.plot import plot_curves

if TYPE_CHECKING:
    from pathlib import Path

    from support.pg import Database

SAID = ["I adopted a puppy", "The weather is fine", "My sister moved to Lyon", "我对花生过敏"]
ASKED = [("q1", "one", "Where did my sister move?", [2]), ("q2", "two", "我对什么过敏", [3])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    messages = [
        {
            "conv_id": "c",
            "msg_id": f"m{seq}",
            "seq": seq,
            "session": f"S{seq // 2}",
            "ts": (START + timedelta(days=seq)).isoformat(),
            "speaker": "Ann",
            "role": "user",
            "text": text,
        }
        for seq, text in enumerate(SAID)
    ]
    questions = [
        {
            "qid": qid,
            "conv_id": "c",
            "category": category,
            "query": query,
            "evidence": [f"m{seq}" for seq in evidence],
        }
        for qid, category, query, evidence in ASKED
    ]
    for name, rows in (("messages", messages), ("questions", questions)):
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def test_eval_recall_prints_figures_and_leaves_nothing_behind(
    database: Database, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot, runs = folder / "plot.svg", folder / "runs"

    options = ["--uri", database.app_uri, "--plot", str(plot), "--runs", str(runs), "--ablation"]

    code = main(["eval", "recall", str(folder), *options])

    printed = capsys.readouterr().out
    assert code == 0
    assert [line.split()[:3] for line in printed.splitlines() if line.startswith("all")] == [
        ["all", "2", "100.0"]
    ] * 2
    assert "zh" in printed
    assert _row(printed, "related")[1:4:2] == ["+0.0", "+0.0"]
    assert not any(line.startswith("vector ") for line in printed.splitlines())
    assert plot.read_text().startswith("<svg")
    (ranking,) = [path.read_text().splitlines() for path in runs.iterdir()]
    assert json.loads(ranking[0])["ranked"][0] == "m2"
    with psycopg.connect(database.admin_uri) as conn:
        left = conn.execute(
            "select count(*) from remanence.organizations where name = 'Recall evaluation'"
        ).fetchone()
    assert left == (0,)


def _row(printed: str, name: str) -> list[str]:
    (row,) = [line.split() for line in printed.splitlines() if line.startswith(f"{name} ")]
    return row[1:]


def test_measure_counts_hits_sessions_and_what_fits_a_budget(folder: Path) -> None:
    dataset = read_dataset(folder)
    answer = Answer(ask=dataset.asks[0], ranked=("m0", "m2"), seconds=0.1)

    figures = measure(answer, dataset)

    assert (figures["hit@1"], figures["hit@5"], figures["MRR"]) == (0, 1, 0.5)
    assert figures["R within 500"] == figures["session R@10"] == 1
    assert [percentile([3, 1, 2], share) for share in (0, 0.5, 1)] == [1, 2, 3]


def test_read_dataset_names_the_line_that_is_wrong(folder: Path) -> None:
    with (folder / "questions.jsonl").open("a") as questions:
        questions.write('\n{"qid": "q3"}')

    with pytest.raises(InvalidRequest, match=r"questions\.jsonl, line 3"):
        read_dataset(folder)
    with pytest.raises(InvalidRequest, match="nowhere"):
        read_dataset(folder / "nowhere")


def test_plot_escapes_names() -> None:
    assert "a &lt;b&gt;" in plot_curves("t", ["1", "2"], {"a <b>": [0.5, 1.0]})
