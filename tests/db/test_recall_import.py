"""Texts of a file in an archive, however often the import is stopped and started."""

from __future__ import annotations

import json
import random
import subprocess
import time
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from support.past import Past
from support.process import REMANENCE, clean_env

from remanence.cli import main
from remanence.local.passage_file import BATCH, Progress
from remanence.local.passage_view import ImportView

if TYPE_CHECKING:
    from pathlib import Path

    from support.pg import Database

LINES = 2 * BATCH + 7


@pytest.fixture
def archive(database: Database) -> str:
    past = Past(database.app_uri)
    return past.archive(past.agent().agent_id)


def stored(database: Database, archive: str) -> list[tuple[str, list[str]]]:
    return Past(database.app_uri).run(
        "select text, tags from remanence.passages where archive_id = %(archive)s"
        " order by created_at, text",
        archive=archive,
    )


def a_file(folder: Path, *extra: str) -> Path:
    rows = [
        json.dumps(
            {"text": f"fact {n}", "tags": ["a"], "created_at": f"2026-01-01T00:00:{n % 60:02}"}
        )
        for n in range(10, LINES + 10)
    ]
    path = folder / "facts.jsonl"
    path.write_text("\n".join([*rows, *extra]) + "\n", encoding="utf-8")
    return path


def run(database: Database, archive: str, path: Path) -> int:
    return main(["import", "passages", str(path), "--archive", archive, "--uri", database.app_uri])


def test_import_passages_stores_each_line_once_however_often_it_is_run(
    database: Database, archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = a_file(tmp_path, '"a bare text"', "")

    assert run(database, archive, path) == 0
    assert "408 passage(s) stored." in capsys.readouterr().out
    assert run(database, archive, path) == 0
    assert "0 passage(s) stored." in capsys.readouterr().out
    path.with_name("facts.jsonl.progress").unlink()
    assert run(database, archive, path) == 0

    rows = stored(database, archive)
    assert len(rows) == LINES + 1
    assert ("a bare text", []) in rows
    assert ("fact 10", ["a"]) in rows


def test_import_passages_goes_on_where_it_stopped(
    database: Database, archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "facts.jsonl"
    good = [json.dumps({"text": f"fact {n}"}) for n in range(LINES)]
    path.write_text("\n".join([*good[:BATCH], '{"tags": []}', *good[BATCH:]]), encoding="utf-8")

    assert run(database, archive, path) == 1
    assert f"line {BATCH + 1} is not a passage" in capsys.readouterr().err
    assert len(stored(database, archive)) == BATCH

    path.write_text("\n".join([*good[:BATCH], '"mended"', *good[BATCH:]]), encoding="utf-8")
    assert run(database, archive, path) == 0
    assert f"{LINES - BATCH + 1} passage(s) stored." in capsys.readouterr().out
    assert len(stored(database, archive)) == LINES + 1


def test_import_passages_refuses_what_is_not_there(
    database: Database, archive: str, tmp_path: Path
) -> None:
    assert run(database, archive, tmp_path / "none.jsonl") == 1
    assert run(database, "archive-none", a_file(tmp_path)) == 1


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "a", "created_at": "9999-12-31T23:59:59-12:00"}',  # nobody could read it again
        '{"text": "a", "created_at": "0001-01-01T00:00:00+14:00"}',
        '{"text": "a", "tags": "food"}',
        '{"text": "a", "tags": ["b", ""]}',
        '{"text": "a", "tags": [1]}',
        "[" * 100_000,
        b'{"text": "sch\xf6n"}',
    ],
)
def test_import_passages_refuses_what_the_routes_refuse(
    database: Database,
    archive: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str | bytes,
) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(b'"good"\n' + (line if isinstance(line, bytes) else line.encode()))

    assert run(database, archive, path) == 1
    assert "line 2 is not a passage" in capsys.readouterr().err
    assert stored(database, archive) == []


def test_import_passages_takes_what_editors_write(
    database: Database, archive: str, tmp_path: Path
) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a", "tags": ["b", "b", "c\\u0000"]}\r\n"d"\r\n')

    assert run(database, archive, path) == 0
    assert sorted(stored(database, archive)) == [("a", ["b", "c "]), ("d", [])]


def test_import_passages_that_is_killed_goes_on_and_stores_each_line_once(
    database: Database, archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text("\n".join(f'"fact {n}"' for n in range(10 * BATCH)), encoding="utf-8")
    command = [str(REMANENCE), "import", "passages", str(path), "--archive", archive]
    with subprocess.Popen(
        [*command, "--uri", database.app_uri], stdout=subprocess.PIPE, text=True, env=clean_env()
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline(), process.stdout.readline()]
        time.sleep(random.uniform(0, 0.03))  # noqa: S311  the moment shall be any
        process.kill()

    assert told[1].startswith(f"{2 * BATCH:,} lines, ")
    assert len(stored(database, archive)) < 10 * BATCH
    assert run(database, archive, path) == 0
    first = int(capsys.readouterr().out.split()[0].replace(",", ""))
    assert first >= 3 * BATCH  # behind what was noted
    assert sorted(stored(database, archive)) == sorted((f"fact {n}", []) for n in range(10 * BATCH))


def test_import_passages_shows_a_bar_in_a_terminal_and_plain_lines_elsewhere() -> None:
    seen: dict[bool, str] = {}
    for is_terminal in (True, False):
        out = StringIO()
        console = Console(file=out, force_terminal=is_terminal, width=100)
        with ImportView(console) as view:
            view.show(Progress(lines=1_500, bytes_read=30, bytes_in_all=60, passages_per_s=210.4))
        seen[is_terminal] = out.getvalue()

    assert "50%" in seen[True]
    assert "━" in seen[True]
    assert seen[False] == "1,500 lines, 210 passages/s\n"
