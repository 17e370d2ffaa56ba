"""Storing and searching passages with vectors: the order of events around the model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from support.past import Past, new_id

from remanence.core.archival import PassageQuery
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.engine.archival import EMBED_LIMIT_S, Archival
from remanence.errors import NotFound, ProviderTimeout

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from support.pg import Database

ORG = DEFAULT_ORG_ID
MODEL = "fake/colours"


class Colours:
    """An embedder that knows three colours, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.is_down = False

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        assert 0 < deadline - time.monotonic() <= EMBED_LIMIT_S
        self.asked += [(handle, text) for text in texts]
        if self.is_down:
            raise ProviderTimeout("no answer")
        colours = {"crimson": [1.0, 0.1, 0.0], "scarlet": [1.0, 0.0, 0.0], "navy": [0.0, 0.0, 1.0]}
        return [colours.get(text, [0.5, 0.5, 0.5]) for text in texts]


@pytest.fixture
def colours() -> Colours:
    return Colours()


@pytest.fixture
def archival(database: Database, colours: Colours) -> Generator[Archival]:
    source = OneConnection(database.app_uri)
    yield Archival(
        passages=PostgresRecall(Queries(source)),
        embedder=colours,
        new_id=new_id,
        monotonic=time.monotonic,
    )
    source.close()


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database.app_uri)


def keep(archival: Archival, agent_id: str, text: str) -> None:
    archival.insert(ORG, agent_id, text, tags=[], created_at=None)


def found(archival: Archival, agent_id: str, query: str) -> list[tuple[str, int | None]]:
    _, hits = archival.search_own(ORG, agent_id, PassageQuery(query=query))
    return [(hit.record.passage.text, hit.vector_rank) for hit in hits]


def test_search_with_an_embedding_model_finds_by_meaning(archival: Archival, past: Past) -> None:
    agent_id = past.agent(embedding=MODEL).agent_id
    for text in ("navy", "crimson"):
        keep(archival, agent_id, text)

    assert found(archival, agent_id, "scarlet") == [("crimson", 1), ("navy", 2)]


def test_insert_without_an_answer_of_the_model_keeps_the_text(
    archival: Archival, colours: Colours, past: Past, caplog: pytest.LogCaptureFixture
) -> None:
    agent_id = past.agent(embedding=MODEL).agent_id
    colours.is_down = True
    keep(archival, agent_id, "navy")
    colours.is_down = False

    assert [record.getMessage() for record in caplog.records] == [
        f"no vector from {MODEL}: llm_timeout"
    ]
    assert found(archival, agent_id, "navy") == [("navy", None)]
    assert found(archival, agent_id, "scarlet") == []


def test_search_without_an_answer_of_the_model_still_finds_words(
    archival: Archival, colours: Colours, past: Past
) -> None:
    agent_id = past.agent(embedding=MODEL).agent_id
    keep(archival, agent_id, "navy")
    colours.is_down = True

    assert found(archival, agent_id, "navy") == [("navy", None)]


def test_without_an_embedding_model_none_is_asked(
    archival: Archival, colours: Colours, past: Past
) -> None:
    agent_id = past.agent().agent_id
    keep(archival, agent_id, "navy")

    assert found(archival, agent_id, "navy") == [("navy", None)]
    assert colours.asked == []


def test_the_model_of_the_archive_counts_and_not_that_of_the_agent(
    archival: Archival, colours: Colours, past: Past
) -> None:
    agent_id = past.agent(embedding="other/model").agent_id
    past.archive(agent_id, embedding=MODEL)

    keep(archival, agent_id, "navy")
    found(archival, agent_id, "scarlet")

    assert {handle for handle, _ in colours.asked} == {MODEL}


def test_search_over_archives_asks_the_model_most_of_them_use(
    archival: Archival, colours: Colours, past: Past
) -> None:
    agent_id = past.agent(embedding=MODEL).agent_id
    keep(archival, agent_id, "crimson")

    hits = archival.search(ORG, PassageQuery(query="scarlet", agent_id=agent_id))
    nothing = archival.search(ORG, PassageQuery(query="scarlet", agent_id=new_id("agent")))

    assert [(hit.record.passage.text, hit.vector_rank) for hit in hits] == [("crimson", 1)]
    assert nothing == []
    assert colours.asked == [(MODEL, "crimson"), (MODEL, "scarlet")]


def test_an_empty_question_is_not_embedded(
    archival: Archival, colours: Colours, past: Past
) -> None:
    agent_id = past.agent(embedding=MODEL).agent_id
    keep(archival, agent_id, "navy")

    assert found(archival, agent_id, " ") == [("navy", None)]
    assert colours.asked == [(MODEL, "navy")]


def test_of_an_unknown_agent_nothing_is_stored_or_searched(
    archival: Archival, colours: Colours
) -> None:
    with pytest.raises(NotFound):
        keep(archival, new_id("agent"), "navy")
    with pytest.raises(NotFound):
        found(archival, new_id("agent"), "navy")
    assert colours.asked == []
