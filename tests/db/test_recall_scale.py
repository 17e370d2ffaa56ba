"""Searches of owners who have much, and searches while others write and delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.past import Past

from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.db.queries import sql

if TYPE_CHECKING:
    from support.past import Thread
    from support.pg import Database

MODEL = "scripted/vectors"
TEXTS = 1_500

# Everybody has "tea", two thirds "word", few a name; every third row is said by the assistant, some
# days pass between every twenty, and every tenth message is a tool's, which is no speech.
_MUCH = """
with said as (
    select n, 'tea ' || case when n % 3 > 0 then 'word ' else '' end || 'name' || n % 97
        || repeat(' filler', n % 7) || case when n % 50 = 0 then ' heron' else '' end as text,
        timestamptz '2026-01-01' + n * interval '7 min' + n / 20 * interval '1 day' as at
    from generate_series(1, {texts}) as n
),
messages as (
    insert into remanence.messages (
        conversation_id, seq, id, org_id, agent_id, role, parts, created_at)
    select case when n % 4 = 0 then %(other)s else %(conversation)s end, n, %(agent)s || '-m-' || n,
        %(org)s, %(agent)s,
        case when n % 10 = 0 then 'tool' when n % 3 = 0 then 'assistant' else 'user' end,
        jsonb_build_array(jsonb_build_object('type', 'text', 'text', text)), at
    from said
),
passages as (
    insert into remanence.passages (id, org_id, archive_id, text, tags, created_at)
    select %(agent)s || '-p-' || n, %(org)s, %(archive)s, text,
        case when n % 5 = 0 then array['kept'] else '{{}}' end, at
    from said
)
select count(*) from said
"""
_VECTORS = """
insert into remanence.{kind}_vectors ({kind}_id, org_id, {owner}, model, dimensions, embedding)
select %(agent)s || '-{letter}-' || n, %(org)s, %(of)s, %(model)s, 4,
    remanence.to_halfvec(array[sin(n), cos(n * 1.7), sin(n * 0.3), cos(n * 2.3)]::real[])
from generate_series(1, {texts}) as n where n %% 10 <> 0 and n %% 11 <> 0
"""


@pytest.fixture(scope="module")
def past(database: Database) -> Past:
    return Past(database.app_uri)


@pytest.fixture(scope="module")
def much(past: Past, database: Database) -> Thread:
    """An agent with two conversations and an archive that hold much."""
    thread = past.agent(embedding=MODEL)
    archive = past.archive(thread.agent_id, embedding=MODEL)
    names = {
        "agent": thread.agent_id,
        "conversation": thread.conversation_id,
        "other": past.conversation(thread.agent_id),
        "archive": archive,
        "org": ORG,
        "model": MODEL,
    }
    past.run(_MUCH.format(texts=TEXTS).replace(" % ", " %% "), **names)
    for kind, owner, of in (
        ("message", "agent_id", thread.agent_id),
        ("passage", "archive_id", archive),
    ):
        statement = _VECTORS.format(kind=kind, owner=owner, letter=kind[0], texts=TEXTS)
        past.run(statement, **names, of=of)
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("analyze")
    return thread


def found(database: Database, table: str, at_most: int, **wanted: object) -> list[tuple[Any, ...]]:
    """Id, score and legs of what is found if owners of more than `at_most` texts have much."""
    params = {
        "related": [],
        "phrases": [],
        "names": [],
        "speaker": None,
        "span_starts": [],
        "span_ends": [],
        "around": 1.0,
        "created_from": None,
        "created_to": None,
        "as_of": None,
        "conversation_id": None,
        "archive_id": None,
        "roles": ["user", "assistant"],
        "view_conversation_id": None,
        "view_from_seq": None,
        "embedding": None,
        "model": MODEL,
        "tags": None,
        "match_all_tags": False,
        "after_id": None,
        "page_limit": 50,
    } | wanted
    statement = sql(f"search_{table}")
    assert statement.count("3000") == 1
    with psycopg.connect(database.app_uri) as conn:
        conn.execute("select remanence.enter_org(%s)", [ORG])
        rows = conn.execute(statement.replace("3000", str(at_most)).encode(), params).fetchall()
    return [(row[0]["id"], row[-4], row[-1]) for row in rows]


QUESTIONS: list[dict[str, object]] = [
    {"query": "the heron at name5"},
    {"query": "word tea filler", "page_limit": 100},
    {"query": "tea name11 name12", "embedding": [0.1, 0.9, -0.3, 0.2]},
    {"query": "", "embedding": [-0.7, 0.1, 0.3, 0.5]},
    {
        "query": "heron word",
        "embedding": [0.1, 0.9, -0.3, 0.2],
        "roles": ["user"],
        "tags": ["kept"],
    },
    {
        "query": "name7 word",
        "embedding": [0.1, 0.9, -0.3, 0.2],
        "created_from": datetime(2026, 1, 20, tzinfo=UTC),
        "created_to": datetime(2026, 2, 20, tzinfo=UTC),
    },
    {"query": "nothing of that"},
]


@pytest.mark.parametrize("table", ["messages", "passages"])
@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_who_has_much_finds_what_is_found_when_all_is_ranked(
    database: Database, much: Thread, table: str, question: dict[str, object]
) -> None:
    few = found(database, table, 10 * TEXTS, agent_id=much.agent_id, **question)
    many = found(database, table, 10, agent_id=much.agent_id, **question)

    assert bool(few) == (question["query"] != "nothing of that")
    assert [hit[0] for hit in many] == [hit[0] for hit in few]
    assert [hit[1] for hit in many] == pytest.approx([hit[1] for hit in few], abs=0.02)
    assert [hit[2] for hit in many] == [hit[2] for hit in few]
