"""What raises one text above another, what is left out, and what never fails."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.past import START, Past, Thread

from remanence.core.archival import PassageQuery
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.core.versions import Author
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries, sql
from remanence.db.recall import PostgresRecall
from remanence.db.versions import PassageVersions
from remanence.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def recall(database: Database) -> Generator[PostgresRecall]:
    source = OneConnection(database.app_uri)
    yield PostgresRecall(Queries(source), now=lambda: NOW)
    source.close()


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database.app_uri)


def heard(recall: PostgresRecall, thread: Thread, query: str, limit: int = 10) -> list[str]:
    hits = recall.search_messages(
        ORG, agent_id=thread.agent_id, query=query, roles=(), limit=limit, start=None, end=None
    )
    return [hit.message.parts[0].text for hit in hits]  # type: ignore[union-attr]


def test_a_rare_word_counts_for_more_than_a_common_one(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    for number in range(6):
        past.message(thread, "user", f"garden note {number}", at=START + timedelta(days=number))
    past.message(thread, "user", "a heron came", at=START - timedelta(days=9))

    assert heard(recall, thread, "heron garden")[0] == "a heron came"


def test_an_answer_without_a_shared_word_is_found_beside_its_question(
    recall: PostgresRecall, past: Past
) -> None:
    thread = past.agent()
    past.message(thread, "assistant", "Which instrument does Vera play?", at=START)
    past.message(thread, "user", "The cello", at=START + timedelta(minutes=1))
    past.message(thread, "user", "Unrelated", at=START + timedelta(days=1))

    assert heard(recall, thread, "Vera's instrument") == [
        "Which instrument does Vera play?",
        "The cello",
    ]


def test_the_time_a_question_names_raises_what_was_said_then(
    recall: PostgresRecall, past: Past
) -> None:
    thread = past.agent()
    for day in (1, 8, 15, 22):
        past.message(
            thread, "user", f"dinner number {day}", at=datetime(2026, 11, day, 19, tzinfo=UTC)
        )

    assert heard(recall, thread, "dinner last week")[0] == "dinner number 22"
    assert heard(recall, thread, "the dinner on 8 November 2026")[0] == "dinner number 8"


def test_who_probably_said_it_decides_between_equals(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    past.message(thread, "user", "a novel about bees", at=START)
    past.message(thread, "assistant", "the novel of a beekeeper", at=START + timedelta(days=1))

    assert heard(recall, thread, "What is my novel?")[0] == "a novel about bees"
    assert heard(recall, thread, "Which novel did you recommend?")[0] == "the novel of a beekeeper"


@pytest.mark.parametrize(
    ("mine", "yours", "asked"),
    [
        ("user: a novel about bees", "assistant: a novel about bees, no", "my novel about bees"),
        ("用户: 一本小说", "助手: 这一本小说", "我的小说"),
        ("Пользователь: роман", "Ассистент: этот роман", "мой роман"),
    ],
)
def test_a_transcript_tells_who_spoke_in_any_language(
    recall: PostgresRecall, past: Past, mine: str, yours: str, asked: str
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    past.passage(archive, mine, at=START)
    past.passage(archive, yours, at=START + timedelta(days=1))

    hits = recall.find_passages(ORG, PassageQuery(query=asked, agent_id=agent_id))

    assert [hit.record.passage.text for hit in hits] == [mine, yours]
    assert [hit.legs["speaker"] for hit in hits] == [True, False]


@pytest.mark.parametrize(
    ("theirs", "others", "asked"),
    [
        ("Vera: the harp", "Anton: the harp", "Vera's harp"),
        ("Vera Orlova: the harp", "Anton Orlov: the harp", "What harp does Vera play?"),
        ("小明: 竖琴", "小红: 竖琴", "小明的竖琴"),
    ],
)
def test_what_somebody_said_stands_before_what_others_said_when_they_are_named(
    recall: PostgresRecall, past: Past, theirs: str, others: str, asked: str
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    # the later one also calls the person by name, so their words are the same
    told = past.passage(archive, theirs, at=START)
    past.passage(archive, f"{others}, {theirs.partition(':')[0]}", at=START + timedelta(days=1))

    hits = recall.find_passages(ORG, PassageQuery(query=asked, agent_id=agent_id))

    assert [hit.record.passage.id == told for hit in hits] == [True, False]
    assert [hit.legs["speaker"] for hit in hits] == [True, False]


def test_a_message_of_somebody_who_is_named_stands_first(
    recall: PostgresRecall, past: Past
) -> None:
    thread = past.agent()
    told = past.message(thread, "user", "the harp", at=START)
    past.message(thread, "user", "the harp, Vera", at=START + timedelta(days=1))
    past.run("update remanence.messages set name = 'Vera' where id = %(id)s", id=told)

    hits = recall.search_messages(
        ORG,
        agent_id=thread.agent_id,
        query="Which harp does Vera have?",
        roles=(),
        limit=5,
        start=None,
        end=None,
    )

    assert [hit.message.id == told for hit in hits] == [True, False]
    assert [hit.legs["speaker"] for hit in hits] == [True, False]


def test_what_a_user_tells_before_asking_counts_in_full(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    asked = "My harp has forty-seven strings and a cracked neck, who could repair the harp for me?"
    past.message(thread, "user", asked, at=START)
    past.message(thread, "assistant", asked, at=START + timedelta(days=1))
    past.message(thread, "user", "harp?", at=START + timedelta(days=2))

    hits = recall.search_messages(
        ORG, agent_id=thread.agent_id, query="harp", roles=(), limit=5, start=None, end=None
    )

    assert [hit.message.role for hit in hits] == ["user", "user"]  # the copy is folded
    assert hits[0].message.parts[0].text == asked  # type: ignore[union-attr]


def test_who_tells_stands_before_who_only_asks(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    past.message(thread, "user", "the harp of Vera", at=START)
    past.message(thread, "user", "the harp of Vera?", at=START + timedelta(days=1))

    assert heard(recall, thread, "harp Vera") == ["the harp of Vera", "the harp of Vera?"]


def test_a_phrase_word_by_word_beats_its_words(recall: PostgresRecall, past: Past) -> None:
    thread = past.agent()
    past.message(thread, "user", "house of the blue roof", at=START)
    past.message(thread, "user", "roof blue house", at=START + timedelta(days=1))

    assert heard(recall, thread, '"blue roof" house')[0] == "house of the blue roof"


def test_the_same_text_twice_is_found_once_as_the_newest(
    recall: PostgresRecall, past: Past
) -> None:
    thread = past.agent()
    past.message(thread, "user", "tea please", at=START)
    newest = past.message(thread, "user", "tea please", at=START + timedelta(days=1))

    hits = recall.search_messages(
        ORG, agent_id=thread.agent_id, query="tea", roles=(), limit=5, start=None, end=None
    )

    assert [hit.message.id for hit in hits] == [newest]


def test_passages_of_the_same_instant_are_no_neighbours(recall: PostgresRecall, past: Past) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    for text in ("the cello", "the weather", "the bus"):
        past.passage(archive, text, at=START)

    hits = recall.find_passages(ORG, PassageQuery(query="cello", agent_id=agent_id))

    assert [hit.record.passage.text for hit in hits] == ["the cello"]


def test_what_was_deleted_is_not_found_while_others_search(
    recall: PostgresRecall, past: Past, database: Database
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    ids = [past.passage(archive, f"cello number {number}") for number in range(20)]
    stopped = threading.Event()
    source = OneConnection(database.app_uri)
    versions = PassageVersions(Queries(source))

    def search() -> None:
        its_own = OneConnection(database.app_uri)
        other = PostgresRecall(Queries(its_own))
        while not stopped.is_set():
            other.find_passages(ORG, PassageQuery(query="cello", agent_id=agent_id))
        its_own.close()

    searching = threading.Thread(target=search)
    searching.start()
    try:
        for number, passage_id in enumerate(ids):
            versions.delete_passage(ORG, passage_id, Author(origin="api"))
            hits = recall.find_passages(
                ORG, PassageQuery(query="cello number", agent_id=agent_id, limit=50)
            )
            assert {hit.record.passage.id for hit in hits} == set(ids[number + 1 :])
    finally:
        stopped.set()
        searching.join()
        source.close()


PIECES = [
    *["'", "''", '"', "\\", "&", "|", "!", "<->", ":*", ":A", "(", ")", "<2>", "%s", "%(x)s", "%"],
    *[
        "--",
        "/*",
        ";",
        "$$",
        "\0",
        "\ufeff",
        "\u202e",
        "\u0301",
        "\ud800",
        "😀",
        "👩‍👩‍👧",
        "ﷺ",
        "İ",
        "ß",
    ],
    *[
        "汉",
        "ก็",
        "한",
        "がぎ",
        "عربي",
        "שלום",
        "=",
        "#",
        "u茶",
        "a-b",
        "1.2.3",
        "NULL",
        "or",
        "the",
    ],
    *["last week", "yesterday", "31 February 2023", "999 years ago", "0000-00-00", "九月", "word"],
]


# Every piece is in the few of each run of the suite; `make perf` tries the many.
@pytest.mark.parametrize("count", [80, pytest.param(10_000, marks=pytest.mark.perf)])
def test_hostile_queries_give_results_or_a_clear_refusal(
    recall: PostgresRecall, past: Past, count: int
) -> None:
    thread = past.agent()
    past.message(thread, "user", "tea and the word")
    past.passage(past.archive(thread.agent_id), "tea and the word")
    slowest = 0.0

    for query in _hostile(count):
        started = time.monotonic()
        for search in (heard, _kept):
            try:
                search(recall, thread, query)
            except AppError as error:
                pytest.fail(f"{query[:80]!r}: {error.message}")
        slowest = max(slowest, time.monotonic() - started)

    print(f"{count:,} hostile queries, twice each; the slowest {slowest:.2f} s")
    assert slowest < 5


def _hostile(count: int) -> Generator[str]:
    """Pieces alone, all of them, then any together; every 77th has a megabyte."""
    pick = random.Random(count)  # noqa: S311  the same queries every time
    for number in range(count):
        some = pick.choices(PIECES, k=pick.randint(1, 12))
        query = PIECES[number] if number < len(PIECES) else pick.choice(["", " "]).join(some)
        yield query if number % 77 != 76 else query * (1 + 1_000_000 // len(query))


def _kept(recall: PostgresRecall, thread: Thread, query: str) -> int:
    return len(recall.find_passages(ORG, PassageQuery(query=query, agent_id=thread.agent_id)))


def test_the_work_of_a_search_grows_with_its_owner_and_not_with_the_table(
    past: Past, database: Database
) -> None:
    thread, crowd = past.agent(), past.agent()
    archive, crowded = past.archive(thread.agent_id), past.archive(crowd.agent_id)
    past.message(thread, "user", "tea")
    past.passage(archive, "tea")
    with psycopg.connect(database.admin_uri) as conn:
        conn.execute(
            "insert into remanence.archives (id, org_id, name)"
            " select 'archive-many-' || n, %s, 'many' from generate_series(1, 400) as n",
            [ORG],
        )
        # one archive holds a fifth
        conn.execute(
            "insert into remanence.passages (id, org_id, archive_id, text)"
            " select 'passage-many-' || n, %s, case when n %% 5 = 0 then %s"
            " else 'archive-many-' || 1 + n %% 400 end, 'tea number ' || n"
            " from generate_series(1, 20000) as n",
            [ORG, crowded],
        )
        conn.execute(
            "insert into remanence.messages (conversation_id, seq, id, org_id, agent_id, role,"
            " parts) select %s, n, 'message-many-' || n, %s, %s, 'user', jsonb_build_array("
            " jsonb_build_object('type', 'text', 'text', 'tea number ' || n))"
            " from generate_series(1, 20000) as n",
            [crowd.conversation_id, ORG, crowd.agent_id],
        )
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("analyze remanence.passages, remanence.messages")

    read = {name: _rows_read(database, name, thread) for name in ("messages", "passages")}
    assert max(read.values()) < 100
    assert _rows_read(database, "messages", crowd) >= 20_000


def _rows_read(database: Database, table: str, thread: Thread) -> int:
    """How many rows of a table the plan of its search touches."""
    params = {
        "query": "tea",
        "related": [],
        "phrases": [],
        "speaker": None,
        "names": [],
        "span_starts": [],
        "span_ends": [],
        "around": 1.0,
        "created_from": None,
        "created_to": None,
        "as_of": None,
        "agent_id": thread.agent_id,
        "conversation_id": None,
        "archive_id": None,
        "roles": ["user", "assistant"],
        "view_conversation_id": None,
        "view_from_seq": None,
        "embedding": None,
        "model": None,
        "tags": None,
        "match_all_tags": False,
        "after_id": None,
        "page_limit": 10,
    }
    with psycopg.connect(database.app_uri) as conn:
        conn.execute("select remanence.enter_org(%s)", [ORG])
        statement = f"explain (analyze, format json) {sql(f'search_{table}')}"
        row = conn.execute(statement.encode(), params).fetchone()
    assert row is not None
    return _rows(row[0][0]["Plan"], table)


def _rows(node: dict[str, Any], table: str) -> int:
    below = sum(_rows(child, table) for child in node.get("Plans", []))
    if node.get("Relation Name") != table:
        return below
    removed = node.get("Rows Removed by Filter", 0)
    return below + int((node["Actual Rows"] + removed) * node["Actual Loops"])
