"""Forks in the database: every message before a fork's window is covered by one summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from support.world import an_agent, new_id

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.db.connect import OneConnection
from remanence.db.conversations import ConversationRef, Conversations
from remanence.db.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

# Ten messages; the window begins at 9. A node over two leaves, and a third leaf beside it.
SPANS = [
    ("node", 1, 1, 6, None),
    ("a", 0, 1, 3, "node"),
    ("b", 0, 4, 6, "node"),
    ("c", 0, 7, 8, None),
]
WINDOW_FROM = 9
LAST = 10


@pytest.fixture
def conversations(database: Database) -> Generator[Conversations]:
    source = OneConnection(database.app_uri)
    yield Conversations(Queries(source))
    source.close()


@pytest.fixture
def default_conversation(database: Database) -> tuple[str, str]:
    """An agent, and the messages of its conversation."""
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        agent_id = an_agent(database.admin_uri)
        row = conn.execute(
            "update remanence.conversations set next_seq = %s, window_from_seq = %s "
            "where agent_id = %s returning id, org_id",
            [LAST + 1, WINDOW_FROM, agent_id],
        ).fetchone()
        assert row is not None
        conversation_id, org_id = row
        for seq in range(1, LAST + 1):
            conn.execute(
                "insert into remanence.messages (conversation_id, seq, id, org_id, agent_id, role, "
                "parts, tokens) values (%s, %s, %s, %s, %s, 'user', '[]', 7)",
                [conversation_id, seq, f"message-{agent_id[-30:]}-{seq}", org_id, agent_id],
            )
        ids = {name: new_id("summary") for name, *_ in SPANS}
        for name, level, first, last, parent in SPANS:
            conn.execute(
                "insert into remanence.summaries (id, org_id, agent_id, conversation_id, level, "
                "from_seq, to_seq, text, tokens, model, parent_id) "
                "values (%s, %s, %s, %s, %s, %s, %s, %s, 1, 'extractive', %s)",
                [
                    ids[name],
                    org_id,
                    agent_id,
                    conversation_id,
                    level,
                    first,
                    last,
                    name,
                    ids.get(parent or ""),
                ],
            )
    return agent_id, f"message-{agent_id[-30:]}-"


@pytest.mark.parametrize(
    ("last", "window_from", "roots"),
    [
        (10, 9, ["node", "c"]),
        (9, 9, ["node", "c"]),
        (8, 9, ["node", "c"]),
        (7, 7, ["node"]),
        (5, 4, ["a"]),
        (2, 1, []),
    ],
)
def test_fork_covers_what_is_before_its_window_once(
    database: Database,
    conversations: Conversations,
    default_conversation: tuple[str, str],
    last: int,
    window_from: int,
    roots: list[str],
) -> None:
    agent_id, prefix = default_conversation
    made = new_id("conv")

    for _ in range(2):  # the same call again changes nothing
        conversations.fork_conversation(
            DEFAULT_ORG_ID,
            ConversationRef(agent_id=agent_id),
            message_id=f"{prefix}{last}",
            new_id=made,
            hidden=False,
        )

    with psycopg.connect(database.admin_uri) as conn:
        conv = conn.execute(
            "select window_from_seq, next_seq, window_tokens from remanence.conversations "
            "where id = %s",
            [made],
        ).fetchone()
        seqs = conn.execute(
            "select array_agg(seq order by seq) from remanence.messages where conversation_id = %s",
            [made],
        ).fetchone()
        found = conn.execute(
            "select text, from_seq, to_seq from remanence.summaries "
            "where conversation_id = %s and parent_id is null order by from_seq",
            [made],
        ).fetchall()
    assert conv is not None
    assert conv[:2] == (window_from, last + 1)
    assert seqs == (list(range(1, last + 1)),)
    assert [text for text, _, _ in found] == roots
    covered = [seq for _, first, to in found for seq in range(first, to + 1)]
    assert covered == list(range(1, window_from))
