"""The page of faults has a row for each, and every test it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "infra/LETTA_FAULTS.md"
FAULTS = 25


def rows() -> list[list[str]]:
    """The cells of each row of the table."""
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@cache
def collected_in(path: str) -> frozenset[str]:
    """What pytest would collect from a file, without importing it."""
    tree = ast.parse((ROOT / path).read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return frozenset(name for name in functions if name.startswith("test_"))


def test_page_has_a_row_for_every_fault() -> None:
    assert [int(row[0]) for row in rows()] == list(range(1, FAULTS + 1))
    assert [row for row in rows() if len(row) != 4 or not all(row)] == []


def test_every_row_names_tests_that_exist() -> None:
    named = {row[0]: re.findall(r"`(tests/\S+?\.py)::(test_\w+)`", row[3]) for row in rows()}

    assert [number for number, tests in named.items() if not tests] == []
    assert [
        f"row {number}: {path}::{name}"
        for number, tests in named.items()
        for path, name in tests
        if not (ROOT / path).exists() or name not in collected_in(path)
    ] == []
