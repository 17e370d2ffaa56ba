"""Searches while others write and delete: nothing that is gone, and the figures of the moment."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.past import START, Past

from remanence.core.archival import PassageQuery
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.core.versions import Author
from remanence.db.connect import OneConnection
from remanence.db.conversations import Conversations
from remanence.db.queries import Queries, sql
from remanence.db.recall import PostgresRecall
from remanence.db.versions import PassageVersions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.pg import Database

TEXTS = 16


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database.app_uri)


@pytest.fixture
def queries(database: Database) -> Generator[Callable[[], Queries]]:
    """Each on a connection of its own."""
    sources: list[OneConnection] = []

    def open_one() -> Queries:
        sources.append(OneConnection(database.app_uri))
        return Queries(sources[-1])

    yield open_one
    for source in sources:
        source.close()


def delete_while_two_search(
    texts: list[str], delete: Callable[[str], None], searches: list[Callable[[], set[str]]]
) -> None:
    """Delete one text after the other; no search that begins afterwards may find it."""
    gone: set[str] = set()

    def search(find: Callable[[], set[str]]) -> int:
        times = 0
        while len(gone) < len(texts):
            before = set(gone)
            assert not find() & before
            times += 1
        assert find() == set()
        return times

    with ThreadPoolExecutor() as pool:
        assert searches[0]() == set(texts)
        running = [pool.submit(search, find) for find in searches]
        try:
            for text in texts:
                delete(text)
                gone.add(text)
        finally:
            gone.update(texts)
        assert min(done.result() for done in running) > 0


def test_a_deleted_passage_is_not_found_by_who_searches_meanwhile(
    past: Past, queries: Callable[[], Queries]
) -> None:
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    texts = [past.passage(archive, f"cello number {number}") for number in range(TEXTS)]
    versions = PassageVersions(queries())

    def search_on(recall: PostgresRecall) -> Callable[[], set[str]]:
        wanted = PassageQuery(query="cello", agent_id=agent_id, limit=TEXTS)
        return lambda: {hit.record.passage.id for hit in recall.find_passages(ORG, wanted)}

    delete_while_two_search(
        texts,
        lambda text: versions.delete_passage(ORG, text, Author(origin="api")),
        [search_on(PostgresRecall(queries())) for _ in range(2)],
    )


def test_a_deleted_message_is_not_found_by_who_searches_meanwhile(
    past: Past, queries: Callable[[], Queries]
) -> None:
    thread = past.agent()
    home: dict[str, str] = {}
    for number in range(TEXTS):
        thread.conversation_id = past.conversation(thread.agent_id)
        home[past.message(thread, "user", f"cello number {number}")] = thread.conversation_id
    conversations = Conversations(queries())

    def search_on(recall: PostgresRecall) -> Callable[[], set[str]]:
        return lambda: {
            hit.message.id
            for hit in recall.search_messages(
                ORG,
                agent_id=thread.agent_id,
                query="cello",
                roles=(),
                limit=TEXTS,
                start=None,
                end=None,
            )
        }

    delete_while_two_search(
        list(home),
        lambda text: conversations.delete_conversation(ORG, home[text]),
        [search_on(PostgresRecall(queries())) for _ in range(2)],
    )


def test_words_are_weighed_by_what_is_there_at_the_moment(past: Past, database: Database) -> None:
    archive = past.archive(past.agent().agent_id)
    for word in ("heron", "stork"):
        past.passage(archive, f"{word} 0", at=START)  # of one instant, so nobody's neighbour

    def write(seed: int) -> None:
        pick = random.Random(seed)  # noqa: S311  the same changes every time
        mine: list[str] = []
        for number in range(20):
            if mine and pick.random() < 0.3:
                past.run("delete from remanence.passages where id = %(id)s", id=mine.pop())
            else:
                word = pick.choice(["heron", "stork", "stork", "crane"])
                mine.append(past.passage(archive, f"{word} {number}", at=START))

    seen: set[int] = set()
    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, seed) for seed in range(2)]
        while not all(writer.done() for writer in writers):
            seen.add(_check_worths(database, archive))
        for writer in writers:
            writer.result()
    assert len(seen) > 2  # searched at different moments


def _check_worths(database: Database, archive: str) -> int:
    """Two words weigh as their frequencies say, in one snapshot; returns how many texts it has."""
    with psycopg.connect(database.app_uri) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute("select remanence.enter_org(%s)", [ORG])
        counts = conn.execute(
            "select count(*), count(*) filter (where text like 'heron%%'),"
            " count(*) filter (where text like 'stork%%')"
            " from remanence.passages where archive_id = %s",
            [archive],
        ).fetchone()
        assert counts is not None
        relevance = [_relevance(conn, archive, word) for word in ("heron", "stork")]
    texts, herons, storks = counts
    expected = [math.log(1 + (texts - found + 0.5) / (found + 0.5)) for found in (herons, storks)]
    assert relevance[0] / relevance[1] == pytest.approx(expected[0] / expected[1], rel=0.01)
    return int(texts)


def _relevance(conn: psycopg.Connection, archive: str, word: str) -> float:
    params: dict[str, Any] = dict.fromkeys(
        ["agent_id", "speaker", "created_from", "created_to", "as_of", "embedding", "model"]
    )
    params |= {"tags": None, "after_id": None}
    params |= {"archive_id": archive, "query": word, "around": 1.0, "page_limit": 1}
    params |= {"match_all_tags": False, "related": [], "phrases": [], "names": []}
    row = conn.execute(
        sql("search_passages").encode(), params | {"span_starts": [], "span_ends": []}
    ).fetchone()
    assert row is not None
    return float(row[-1]["words"])
