from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.cli import main
from remanence.evaluation.dataset import read_dataset
from remanence.evaluation.summaries import follow

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def a_dataset(folder: Path, turns: int = 120) -> Path:
    folder.mkdir()
    rows = [
        {
            "conv_id": "conv-1",
            "msg_id": f"m{seq}",
            "seq": seq,
            "session": "S1",
            "ts": f"2026-03-{seq // 24 + 1:02}T{seq % 24:02}:00:00",
            "speaker": "Ada",
            "role": "user",
            "text": f"The code of room {seq} is {4_000 + seq}. " + "And so it went on. " * 8,
        }
        for seq in range(turns)
    ]
    (folder / "messages.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "questions.jsonl").write_text("")
    return folder


def test_everything_that_left_the_window_is_in_reach_and_summaries_keep_to_their_room(
    tmp_path: Path,
) -> None:
    [turns] = read_dataset(a_dataset(tmp_path / "set")).turns.values()

    kept = follow(turns, window=2_000)

    assert kept.compactions > 3
    assert kept.messages == 120
    assert kept.in_reach == kept.anchors > 100
    assert 0 < kept.in_view <= kept.in_tree <= kept.in_reach
    assert kept.summary_tokens <= 2_000 * 0.15 * 1.1


def test_command_prints_a_row_for_each_conversation_and_one_for_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = a_dataset(tmp_path / "set")

    assert main(["eval", "summaries", str(folder), "--window", "3000"]) == 0

    title, _, row, total, *_ = capsys.readouterr().out.splitlines()
    assert title == "set, a window of 3,000 tokens, summaries by code alone"
    assert row.startswith("conv-1")
    assert total.startswith("all")
    assert "100.0 %" in total
