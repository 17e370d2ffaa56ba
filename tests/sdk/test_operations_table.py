"""Each of the 129 operations called by the real client; the table of answers is in infra/."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.sdk_operations import Answered, call_all
from support.server import serving

if TYPE_CHECKING:
    from support.pg import Database

TABLE = Path(__file__).parents[2] / "infra/OPERATIONS.md"
_INTRODUCTION = """\
# Operations of the Letta SDK

What `letta-client` 1.12.1 can ask for, and how it is answered. Written by
`tests/sdk/test_operations_table.py`, which calls each of them with the real client on a running
server and compares the answers with the SDK's types; `make golden` writes it anew.

served: does what it says. empty: a list of what nobody can have made. refused: 501, which the
SDKs do not send again, with the reason.
"""

# The SDK deprecates its own `stream`, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def rendered(answered: list[Answered]) -> str:
    counts = Counter(item.outcome for item in answered)
    total = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("served", "empty", "refused"))
    lines = [_INTRODUCTION, f"{len(answered)} operations: {total}.", ""]
    lines += ["| operation | HTTP | path | answer |", "|---|---|---|---|"]
    for item in answered:
        answer = f"refused: {item.reason}" if item.reason else item.outcome
        lines.append(f"| {item.name} | {item.method} | `{item.path}` | {answer} |")
    return "\n".join(lines) + "\n"


def test_every_operation_is_answered_as_the_table_says(
    fresh_database: Database, rewrite: bool
) -> None:
    with serving(fresh_database) as server:
        answered = call_all(server)

    assert len(answered) == 129
    text = rendered(answered)
    if rewrite:
        TABLE.write_text(text)
    assert TABLE.read_text() == text, "run `make golden` and review the diff"
