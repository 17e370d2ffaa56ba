"""Each of the 129 operations called by the real client; the table of answers is in infra/."""

from __future__ import annotations

import json
from collections import Counter
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.node import run_node
from support.sdk_operations import NOTHING_TO_CANCEL, Answered, call_all, judged, planned
from support.server import serving

if TYPE_CHECKING:
    from support.pg import Database

TABLE = Path(__file__).parents[2] / "infra/OPERATIONS.md"
_INTRODUCTION = """\
# Operations of the Letta SDK

What `letta-client` 1.12.1 can ask for, and how it is answered. Written by
`tests/sdk/test_operations_table.py`, which calls each of them with the real client on a running
server and compares the answers with the SDK's types; `make golden` writes it anew. The same table
is true of `@letta-ai/letta-client` 1.12.1, whose 129 calls are made from Node: each gets the same
answer, and each refusal is its `InternalServerError`, which it does not send again.

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


def test_every_operation_is_answered_by_the_node_client_as_the_table_says(
    fresh_database: Database, tmp_path: Path
) -> None:
    plan_file = tmp_path / "plan.json"
    with serving(fresh_database) as server, server.client() as client:
        plan = list(planned(client))
        plan_file.write_text(json.dumps(plan, default=bytes.decode))
        answers = run_node("operations.mjs", server.base_url, str(plan_file))

    assert answers["unknown"] == [], "Python's client has no such operations"
    got = [_of_node(name, arguments, answers[name]) for name, arguments in plan]
    assert rendered(sorted(got, key=attrgetter("name"))) == TABLE.read_text()


def _of_node(name: str, arguments: dict[str, Any], got: dict[str, Any]) -> Answered:
    """What Node's client got, in the words of the table."""
    outcome, reason = got["outcome"], got.get("reason", "")
    if name in NOTHING_TO_CANCEL and got["status"] == 409:
        outcome, reason = "served", ""
    if outcome == "refused":
        assert (got["status"], got["kind"]) == (501, "InternalServerError"), got
    return judged(name, got["method"], got["path"], arguments, outcome, reason)
