from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.past import START, Past, new_id

from remanence.core.archival import NewText, PassageQuery, VectorOf
from remanence.core.exchange import Reasoning, ToolCall, ToolReturn
from remanence.core.ids import DEFAULT_ORG_ID, OrgId
from remanence.db.connect import OneConnection
from remanence.db.paging import Page
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

ORG = DEFAULT_ORG_ID
MODEL = "scripted/vectors"


@pytest.fixture(scope="module")
def recall(database: Database) -> Generator[PostgresRecall]:
    source = OneConnection(database.app_uri)
    yield PostgresRecall(Queries(source))
    source.close()


@pytest.fixture(scope="module")
def past(database: Database) -> Past:
    return Past(database.app_uri)


def found(recall: PostgresRecall, agent_id: str, query: str, **wanted: object) -> list[str]:
    scope = {"agent_id": agent_id} | wanted
    hits = recall.find_passages(ORG, PassageQuery(query=query, **scope))
    return [hit.record.passage.text for hit in hits]


def vector(*values: float) -> VectorOf:
    return VectorOf(values=values, model=MODEL)


def test_search_passages_finds_by_any_shared_word_the_best_first(
    recall: PostgresRecall, past: Past
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    past.passage(archive, "Bob likes green tea")
    past.passage(archive, "Bob's sister lives in Lyon")
    past.passage(archive, "The cat sleeps", at=START - timedelta(days=1))

    assert found(recall, agent_id, "which tea does Bob like?") == [
        "Bob likes green tea",
        "Bob's sister lives in Lyon",
    ]
    assert found(recall, agent_id, "weather") == []


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("她对花生过敏", "她对什么过敏"),
        ("東京に引っ越しました", "東京"),
        ("Отпуск в Крыму", "крыму"),
        ("une crème brûlée", "brûlée"),
        ("ฉันชอบชาเขียว", "ชา"),
    ],
)
def test_search_passages_works_in_any_script(
    recall: PostgresRecall, past: Past, text: str, query: str
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    past.passage(archive, text)
    past.passage(archive, "something else entirely", at=START - timedelta(days=1))

    assert found(recall, agent_id, query) == [text]


def test_search_passages_stays_within_the_archives_of_the_agent(
    recall: PostgresRecall, past: Past
) -> None:
    one, other = past.agent().agent_id, past.agent().agent_id
    own, shared, foreign = past.archive(one), past.archive(one, other), past.archive(other)
    for archive, text in ((own, "tea own"), (shared, "tea shared"), (foreign, "tea foreign")):
        past.passage(archive, text)

    assert sorted(found(recall, one, "tea")) == ["tea own", "tea shared"]
    assert found(recall, one, "tea", archive_id=shared) == ["tea shared"]
    assert found(recall, one, "tea", archive_id=foreign) == []
    assert found(recall, new_id("agent"), "tea") == []
    assert recall.find_passages(OrgId(new_id("org")), PassageQuery(query="tea")) == []
    everywhere = [
        hit.record.passage.archive_id
        for hit in recall.find_passages(ORG, PassageQuery(query="tea own shared foreign"))
    ]
    assert {own, shared, foreign} <= set(everywhere)


def test_search_passages_applies_tags_and_dates(recall: PostgresRecall, past: Past) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    past.passage(archive, "tea one", tags=["a"], at=START)
    past.passage(archive, "tea two", tags=["a", "b"], at=START + timedelta(days=1))
    past.passage(archive, "tea three", at=START + timedelta(days=2))

    def texts(**wanted: object) -> list[str]:
        return sorted(found(recall, agent_id, "tea", **wanted))

    assert texts(tags=["a", "b"]) == ["tea one", "tea two"]
    assert texts(tags=["a", "b"], tag_match_mode="all") == ["tea two"]
    assert texts(tags=["c"]) == []
    assert texts(start=START + timedelta(days=1)) == ["tea three", "tea two"]
    assert texts(end=START + timedelta(days=1)) == ["tea one", "tea two"]
    assert texts(start=START + timedelta(hours=1), end=START + timedelta(hours=2)) == []


def test_search_passages_fuses_words_and_vectors(recall: PostgresRecall, past: Past) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id, embedding=MODEL)
    days = [START + timedelta(days=number) for number in range(3)]
    past.passage(archive, "tea, tea", at=days[0], vector=[0.0, 1.0], model=MODEL)
    past.passage(archive, "a warm drink", at=days[1], vector=[1.0, 0.1], model=MODEL)
    past.passage(archive, "tea for two", at=days[2], vector=[1.0, 0.0], model=MODEL)

    hits = recall.find_passages(
        ORG, PassageQuery(query="tea", agent_id=agent_id, vector=vector(1.0, 0.0))
    )

    ranks = {hit.record.passage.text: (hit.lexical_rank, hit.vector_rank) for hit in hits}
    assert hits[0].record.passage.text == "tea for two"
    assert ranks["tea for two"] == (2, 1)
    assert ranks["tea, tea"] == (1, 3)
    assert ranks["a warm drink"][1] == 2
    assert hits[0].score == 1
    assert hits[0].legs["vector"] == pytest.approx(1)
    assert hits[0].record.embedding == MODEL


def test_search_passages_compares_only_vectors_of_the_same_model_and_size(
    recall: PostgresRecall, past: Past
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id, embedding=MODEL)
    days = [START + timedelta(days=number) for number in range(4)]
    past.passage(archive, "same", at=days[0], vector=[1.0, 0.0], model=MODEL)
    past.passage(archive, "another model", at=days[1], vector=[1.0, 0.0], model="other/vectors")
    past.passage(archive, "another size", at=days[2], vector=[1.0, 0.0, 0.0], model=MODEL)
    past.passage(archive, "none", at=days[3])

    assert found(recall, agent_id, "", vector=vector(1.0, 0.0)) == ["same"]
    assert sorted(found(recall, agent_id, "another", vector=vector(1.0, 0.0))) == [
        "another model",
        "another size",
        "same",
    ]


def test_pages_of_one_length_are_parts_of_one_order(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    archive = past.archive(thread.agent_id)
    for number in range(160):
        past.passage(archive, f"Assistant: tea {number}", at=START + timedelta(hours=number))
    for number in range(6):  # found late by words, and raised because "I" asks
        past.passage(archive, f"User: {'this and that ' * 9}tea {number}", at=START)
    wanted = PassageQuery(query="what did I say of tea?", agent_id=thread.agent_id, limit=20)

    seen: list[str] = []
    while page := recall.find_passages(ORG, replace(wanted, after=seen[-1] if seen else None)):
        seen += [hit.record.passage.id for hit in page]

    assert len(seen) == len(set(seen)) == 166
    shorter = recall.find_passages(ORG, replace(wanted, limit=3))
    assert [hit.record.passage.id for hit in shorter] == seen[:3]


def test_searches_take_vectors_as_json_has_them(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    archive = past.archive(thread.agent_id, embedding=MODEL)
    past.passage(archive, "near", vector=[0.5, 0.0, 0.5], model=MODEL)

    # remembered vectors come back so: a whole number is an int
    assert found(recall, thread.agent_id, "", vector=vector(0.5, 0, 0.5)) == ["near"]
    assert found(recall, thread.agent_id, "", vector=vector(1, 0.5, 0)) == ["near"]
    assert heard(recall, thread.agent_id, "near", vector=vector(0.5, 0, 1)) == []


def test_search_passages_without_a_word_lists_the_newest(
    recall: PostgresRecall, past: Past
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    for text in ("first", "second", "third"):
        past.passage(archive, text)

    hits = recall.find_passages(ORG, PassageQuery(query="?!", agent_id=agent_id, limit=2))

    assert [hit.record.passage.text for hit in hits] == ["third", "second"]
    assert [hit.score for hit in hits] == [0.0, 0.0]
    assert found(recall, agent_id, "first", limit=0) == []


HOSTILE = [
    "'",
    "''",
    "a & b | !c <-> d:*",
    "\\",
    "' | 'x",
    ":*",
    "(((",
    "%s %(x)s",
    "😀 👩‍👩‍👧",
    "a" * 1_000_000,
    "word " * 200_000,
    "汉" * 300_000,
    "select 1; drop table x",
    "\ufffe\uffff",
    "\u202e right to left",
    "NULL",
]


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_searches_with_hostile_queries_never_fail(
    recall: PostgresRecall, past: Past, query: str
) -> None:
    thread = past.agent()
    past.passage(past.archive(thread.agent_id), "tea")
    past.message(thread, "user", "tea")

    found(recall, thread.agent_id, query)
    heard(recall, thread.agent_id, query)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_searches_with_any_text_never_fail(recall: PostgresRecall, past: Past, query: str) -> None:
    recall.find_passages(ORG, PassageQuery(query=query, agent_id="agent-x"))
    heard(recall, "agent-x", query)


def heard(recall: PostgresRecall, agent_id: str, query: str, **wanted: object) -> list[str]:
    filters = {"roles": (), "limit": 10, "start": None, "end": None} | wanted
    hits = recall.search_messages(ORG, agent_id=agent_id, query=query, **filters)
    return [hit.message.parts[0].text for hit in hits]  # type: ignore[union-attr]


def test_search_messages_finds_what_was_said_and_no_tool(
    recall: PostgresRecall, past: Past
) -> None:
    thread = past.agent()
    past.message(thread, "user", "I love tea")
    call = ToolCall(tool_call_id="c", name="look", arguments='{"q": "tea"}')
    past.message(thread, "assistant", Reasoning(text="tea?"), call)
    past.message(thread, "tool", ToolReturn(tool_call_id="c", name="look", text="tea tea tea"))
    spoken = ToolCall(tool_call_id="d", name="send_message", arguments='{"message": "Tea it is"}')
    past.message(thread, "assistant", spoken)
    past.message(thread, "system", "tea is served")

    assert sorted(heard(recall, thread.agent_id, "tea")) == ["I love tea", "Tea it is"]
    assert heard(recall, thread.agent_id, "tea", roles=("user",)) == ["I love tea"]
    assert heard(recall, thread.agent_id, "tea", roles=("system",)) == ["tea is served"]
    assert heard(recall, thread.agent_id, "tea", roles=("tool",)) == []
    assert heard(recall, thread.agent_id, "") == ["Tea it is", "I love tea"]


def test_search_messages_ranks_and_scores(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    past.message(thread, "user", "tea and a lot of other things")
    best = past.message(thread, "user", "green tea, tea and tea")

    hits = recall.search_messages(
        ORG, agent_id=thread.agent_id, query="green tea", roles=(), limit=5, start=None, end=None
    )
    newest = recall.search_messages(
        ORG, agent_id=thread.agent_id, query="", roles=(), limit=5, start=None, end=None
    )

    assert hits[0].message.id == best
    assert [hit.lexical_rank for hit in hits] == [1, 2]
    assert 1 == hits[0].score > hits[1].score > 0
    assert set(hits[0].legs) == {"words", "vector", "when", "speaker", "phrase"}
    assert hits[0].conversation_id == thread.conversation_id
    assert [(hit.lexical_rank, hit.score) for hit in newest] == [(None, 0.0), (None, 0.0)]


def test_search_messages_honours_dates_conversations_and_what_is_in_view(
    recall: PostgresRecall, past: Past
) -> None:
    thread = past.agent()
    other = type(thread)(thread.agent_id, past.conversation(thread.agent_id))
    past.message(thread, "user", "tea early", at=START)
    past.message(thread, "user", "tea late", at=START + timedelta(days=1))
    past.message(other, "user", "tea elsewhere", at=START + timedelta(days=2))
    past.message(past.agent(), "user", "tea of a stranger")

    def texts(**wanted: object) -> list[str]:
        return sorted(heard(recall, thread.agent_id, "tea", **wanted))

    assert texts() == ["tea early", "tea elsewhere", "tea late"]
    assert texts(start=START + timedelta(days=1)) == ["tea elsewhere", "tea late"]
    assert texts(end=START) == ["tea early"]
    assert texts(conversation_id=other.conversation_id) == ["tea elsewhere"]
    assert texts(in_view=(thread.conversation_id, 2)) == ["tea early", "tea elsewhere"]
    assert texts(in_view=(thread.conversation_id, 1)) == ["tea elsewhere"]


def test_add_passages_makes_one_archive_and_keeps_vectors(
    recall: PostgresRecall, past: Past
) -> None:
    agent_id = past.agent(embedding=MODEL).agent_id
    text = NewText(id=new_id("passage"), text="kept", tags=("a",), vector=vector(1.0, 0.0))
    later = NewText(id=new_id("passage"), text="later", created_at=START)

    assert recall.load_own_archive(ORG, agent_id).embedding == MODEL
    (first,) = recall.add_passages(ORG, agent_id, [text], new_archive_id=new_id("archive"))
    (second,) = recall.add_passages(ORG, agent_id, [later], new_archive_id=new_id("archive"))
    again = recall.add_passages(ORG, agent_id, [text], new_archive_id=new_id("archive"))

    assert first.passage.archive_id == second.passage.archive_id
    assert (first.passage.tags, first.embedding) == (("a",), MODEL)
    assert second.passage.created_at == START
    assert again == [first]
    assert found(recall, agent_id, "nothing", vector=vector(1.0, 0.0)) == ["kept"]
    with pytest.raises(NotFound):
        recall.add_passages(ORG, new_id("agent"), [later], new_archive_id=new_id("archive"))


def test_list_passages_pages_and_filters(recall: PostgresRecall, past: Past) -> None:
    agent_id = past.agent().agent_id
    archive, second = past.archive(agent_id), past.archive(agent_id, owner=False)
    ids = [
        past.passage(archive, "One", at=START),
        past.passage(second, "two", at=START),
        past.passage(archive, "three", at=START + timedelta(days=1)),
    ]

    def listed(search: str | None = None, **page: object) -> list[str]:
        shown = recall.list_passages(ORG, agent_id, Page(**page), search=search)
        return [record.passage.id for record in shown]

    ascending = sorted(ids[:2]) + ids[2:]
    assert listed(order="asc") == ascending
    assert listed(order="desc") == ascending[::-1]
    assert listed(order="asc", after=ascending[0], limit=1) == [ascending[1]]
    assert listed(order="desc", before=ascending[0], limit=1) == [ascending[1]]
    assert listed("ONE") == [ids[0]]
    assert listed("o%e") == []
    with pytest.raises(NotFound):
        recall.list_passages(ORG, new_id("agent"), Page(), search=None)
    with pytest.raises(InvalidRequest, match="cursor"):
        recall.list_passages(ORG, agent_id, Page(after=new_id("passage")), search=None)


def test_list_scope_embeddings_names_the_most_used_first(
    recall: PostgresRecall, past: Past
) -> None:
    agent_id = past.agent().agent_id
    for embedding in ("one/x", "two/y", "two/y", None):
        past.archive(agent_id, embedding=embedding)

    assert recall.list_scope_embeddings(ORG, agent_id=agent_id, archive_id=None) == [
        "two/y",
        "one/x",
    ]


def test_a_long_text_without_spaces_is_stored_and_found_quickly(
    recall: PostgresRecall, past: Past
) -> None:
    """Taking characters out one by one by their number would take minutes here."""
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    text = "".join(chr(0x4E00 + number % 8000) for number in range(200_000))

    started = time.monotonic()
    past.passage(archive, text)

    assert found(recall, agent_id, text[:3]) == [text]
    assert time.monotonic() - started < 10
