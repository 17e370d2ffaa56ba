"""What has to hold of every conversation at every moment: each message is covered exactly once."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONVERSATIONS = """
select conv.id, conv.window_from_seq, conv.next_seq, conv.has_stand_in,
    (select coalesce(jsonb_agg(msg.seq order by msg.seq), '[]')
     from remanence.messages as msg where msg.conversation_id = conv.id) as seqs
from remanence.conversations as conv
"""
_SUMMARIES = """
select id, conversation_id, parent_id, level, from_seq, to_seq, text, tokens, is_stand_in
from remanence.summaries order by from_seq, level desc
"""


def check_coverage(admin_uri: str) -> int:
    """Check all conversations of a database; how many summaries there are."""
    with psycopg.connect(admin_uri, row_factory=dict_row) as conn:
        conversations = conn.execute(_CONVERSATIONS).fetchall()
        summaries = conn.execute(_SUMMARIES).fetchall()
    for conv in conversations:
        own = [row for row in summaries if row["conversation_id"] == conv["id"]]
        _check(conv, own)
    return len(summaries)


def _check(conv: dict[str, Any], summaries: Sequence[dict[str, Any]]) -> None:
    roots = [row for row in summaries if row["parent_id"] is None]
    assert conv["seqs"] == list(range(1, conv["next_seq"])), "a message is missing"
    _spans_fill(roots, 1, conv["window_from_seq"] - 1)
    assert conv["window_from_seq"] <= conv["next_seq"]
    assert conv["has_stand_in"] == any(row["is_stand_in"] for row in roots)
    for row in summaries:
        assert row["text"]
        assert row["tokens"] > 0
        children = [child for child in summaries if child["parent_id"] == row["id"]]
        if row["level"] > 0:
            assert children, "a summary of summaries that covers none"
        if children:
            _spans_fill(children, row["from_seq"], row["to_seq"])


def _spans_fill(rows: Sequence[dict[str, Any]], first: int, last: int) -> None:
    """The spans follow on one another, without a gap and without overlap, from first to last."""
    spans = [(row["from_seq"], row["to_seq"]) for row in rows]
    if not spans:
        assert first > last, f"messages {first} to {last} are covered by nothing"
        return
    assert spans[0][0] == first
    assert spans[-1][1] == last
    assert all(one[1] + 1 == two[0] for one, two in pairwise(spans)), spans
