"""Reading a page must not cost more as history grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.past import Past, Thread

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.db.queries import sql

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

ROWS = 20_000


@pytest.fixture(scope="module")
def thread(databases: Any) -> Generator[tuple[Database, Thread]]:
    """A conversation of many messages in a database of its own."""
    database = databases.clone()
    long = Past(database.app_uri).agent()
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "insert into remanence.messages (conversation_id, seq, id, org_id, agent_id, role,"
            " parts, created_at)"
            " select %s, number, 'message-' || gen_random_uuid(), %s, %s, 'user',"
            " jsonb_build_array(jsonb_build_object('type', 'text', 'text', 'tea ' || number)),"
            " now() + number * interval '1 second' from generate_series(1, %s) as number",
            [long.conversation_id, DEFAULT_ORG_ID, long.agent_id, ROWS],
        )
        conn.execute("analyze remanence.messages")
    yield database, long
    databases.drop(database)


def rows_read(thread: tuple[Database, Thread], name: str, **params: Any) -> int:
    """How many rows of messages the plan of a statement touches."""
    with psycopg.connect(thread[0].app_uri) as conn:
        conn.execute("select remanence.enter_org(%s)", [DEFAULT_ORG_ID])
        statement = f"explain (analyze, format json) {sql(name)}"
        row = conn.execute(statement.encode(), params).fetchone()
    assert row is not None
    return _rows(row[0][0]["Plan"])


def _rows(node: dict[str, Any]) -> int:
    below = sum(_rows(child) for child in node.get("Plans", []))
    if node.get("Relation Name") != "messages":
        return below
    removed = node.get("Rows Removed by Filter", 0)
    return below + int((node["Actual Rows"] + removed) * node["Actual Loops"])


@pytest.mark.parametrize("newest", [True, False])
def test_list_messages_reads_one_page(thread: tuple[Database, Thread], newest: bool) -> None:
    read = rows_read(
        thread,
        "list_messages",
        agent_id=thread[1].agent_id,
        conversation_id=None,
        before_id=None,
        after_id=None,
        newest=newest,
        page_limit=50,
        message_types=None,
        speech_tool="send_message",
    )

    assert read == 50


def test_search_messages_without_words_reads_the_newest(thread: tuple[Database, Thread]) -> None:
    read = rows_read(
        thread,
        "search_messages",
        agent_id=thread[1].agent_id,
        conversation_id=None,
        query="",
        related=[],
        phrases=[],
        speaker=None,
        names=[],
        span_starts=[],
        span_ends=[],
        around=1.0,
        roles=["user", "assistant"],
        created_from=None,
        created_to=None,
        view_conversation_id=None,
        view_from_seq=None,
        after_id=None,
        embedding=None,
        model=None,
        page_limit=10,
    )

    assert read == 20  # each once for its place and once for its words
