"""What is refused: status, the SDK's exception, its words, and that nothing changed by it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from letta_client import APIStatusError
from psycopg import sql
from support.refusals import CASES, Case, Things
from support.server import serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from support.pg import Database, Databases
    from support.server import Server

TABLE = Path(__file__).parents[2] / "infra/ERRORS.md"
_INTRODUCTION = """\
# What is refused

Calls that cannot be done, made with the Python SDK: the status, the exception it raises and the
words of `detail`. Nothing in the database is changed by any of them. Written by
`tests/sdk/test_error_cases.py`; `make golden` writes it anew. Ids are shortened.

| case | operation | status | exception | what it says |
|---|---|---|---|---|
"""
_ID = re.compile(r"\b([a-z_]+-)[0-9a-f]{8}-[0-9a-f-]{27}\b")


@pytest.fixture(scope="module")
def served(databases: Databases) -> Generator[tuple[Server, Things]]:
    clone = databases.clone()
    with serving(clone) as server, server.client() as client:
        yield server, Things(client)
    databases.drop(clone)


def refusal(client: Letta, things: Things, case: Case) -> APIStatusError:
    with pytest.raises(APIStatusError) as refused:
        case.send(client, things)
    return refused.value


def fingerprint(database: Database) -> dict[str, tuple[Any, ...]]:
    """Of every table, how many rows it has and a digest of all of them."""
    with psycopg.connect(database.admin_uri) as connection:
        tables = connection.execute(
            "select tablename from pg_tables where schemaname = 'remanence'"
        ).fetchall()
        return {
            table: connection.execute(_DIGEST.format(sql.Identifier(table))).fetchall()[0]
            for (table,) in tables
        }


_DIGEST = sql.SQL(
    "select count(*), md5(string_agg(stored::text, '|' order by stored::text))"
    " from remanence.{} as stored"
)


def test_every_refusal_says_why_in_its_table_and_changes_nothing(
    served: tuple[Server, Things], rewrite: bool
) -> None:
    server, things = served
    lines = []
    with server.client() as client:
        before = fingerprint(server.database)
        for case in CASES:
            error = refusal(client, things, case)
            assert fingerprint(server.database) == before, case
            detail = _ID.sub(r"\1…", str(error.response.json()["detail"])).replace("|", "\\|")
            lines.append(
                f"| {case.id} | {case.operation} | {error.status_code}"
                f" | {type(error).__name__} | {detail} |"
            )

    text = _INTRODUCTION + "\n".join(lines) + "\n"
    if rewrite:
        TABLE.write_text(text)
    assert TABLE.read_text() == text, "run `make golden` and review the diff"


def test_fingerprint_sees_a_change(served: tuple[Server, Things]) -> None:
    server, things = served
    before = fingerprint(server.database)

    with server.client() as client:
        client.blocks.update(things.block_id, value="other")

    assert fingerprint(server.database)["blocks"] != before["blocks"]


@pytest.mark.parametrize("edit", ["memory_insert", "memory_rethink"])
def test_read_only_block_is_not_edited_by_the_agent(
    served: tuple[Server, Things], edit: str
) -> None:
    server, things = served
    argument = "new_string" if edit == "memory_insert" else "new_memory"
    call = f'call {edit} {{"label": "team", "{argument}": "Eve"}}'
    with server.client() as client:
        tool = client.tools.list(name=edit).items[0]
        client.agents.tools.attach(tool.id, agent_id=things.agent_id)
        before = fingerprint(server.database)["blocks"]
        said = client.agents.messages.create(things.agent_id, input=f"go [[script: {call}]]")

    [told] = [m for m in said.messages if m.message_type == "tool_return_message"]
    assert (told.status, "read-only" in told.tool_return) == ("error", True)
    assert fingerprint(server.database)["blocks"] == before


def test_body_without_an_sdk_that_is_no_json_is_refused(served: tuple[Server, Things]) -> None:
    server, _things = served
    before = fingerprint(server.database)

    answer = httpx.post(f"{server.base_url}/v1/blocks/", content=b"{")

    assert answer.status_code == 422
    assert fingerprint(server.database) == before
