"""Archival memory through the official SDK."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import NotFoundError, UnprocessableEntityError
from support.server import MODEL, new_id
from support.world import World

from remanence.core.exchange import Reply, Request, Text
from remanence.engine.facts import archive_facts
from remanence.engine.summaries import Allowance

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL, timezone="Europe/Paris")


def test_create_returns_the_passage_in_a_list(client: Letta, agent: AgentState) -> None:
    (passage,) = client.agents.passages.create(
        agent.id, text="The cat likes tuna", tags=["cat", "food", "cat"], created_at=NOON
    )

    assert passage.id.startswith("passage-")
    assert passage.text == "The cat likes tuna"
    assert passage.tags == ["cat", "food"]
    assert passage.created_at == NOON
    assert passage.archive_id.startswith("archive-")
    assert passage.embedding is None
    assert passage.embedding_config is None
    assert passage.metadata == {}
    assert passage.is_deleted is False


def test_create_of_nonsense_is_refused(client: Letta, agent: AgentState) -> None:
    with pytest.raises(UnprocessableEntityError):
        client.agents.passages.create(agent.id, text="")
    with pytest.raises(UnprocessableEntityError):
        client.agents.passages.create(agent.id, text="x", tags=[" "])
    with pytest.raises(UnprocessableEntityError):
        client.agents.passages.create(agent.id, text="nul \0")
    with pytest.raises(NotFoundError):
        client.agents.passages.create(new_id("agent"), text="x")


def test_create_with_an_embedding_model_that_fails_keeps_the_text(client: Letta) -> None:
    agent = client.agents.create(
        name=uuid.uuid4().hex, model=MODEL, embedding="openai/nobody-listens"
    )

    (passage,) = client.agents.passages.create(agent.id, text="kept all the same")

    assert passage.embedding_config is not None
    assert passage.embedding_config.handle == "openai/nobody-listens"
    assert client.agents.passages.search(agent.id, query="kept").count == 1


def test_list_pages_in_both_orders_and_by_text(client: Letta, agent: AgentState) -> None:
    ids = [
        client.agents.passages.create(agent.id, text=text, created_at=NOON + timedelta(days=day))[
            0
        ].id
        for day, text in enumerate(["one", "Two", "three"])
    ]

    def listed(**query: Any) -> list[str | None]:
        return [passage.id for passage in client.agents.passages.list(agent.id, **query)]

    assert listed() == ids
    assert listed(ascending=False) == ids[::-1]
    assert listed(limit=2) == ids[:2]
    assert listed(after=ids[0]) == ids[1:]
    assert listed(before=ids[2], limit=1) == ids[1:2]
    assert listed(after=ids[2], ascending=False) == [ids[1], ids[0]]
    assert listed(search="tWo") == [ids[1]]
    with pytest.raises(UnprocessableEntityError):
        listed(after="passage-1")
    with pytest.raises(NotFoundError):
        client.agents.passages.list(new_id("agent"))


def test_search_finds_by_words_tags_and_dates(client: Letta, agent: AgentState) -> None:
    for day, (text, tags) in enumerate(
        [("Bob likes tea", ["bob"]), ("Ann likes tea", ["ann", "old"]), ("It rains", ["ann"])]
    ):
        client.agents.passages.create(
            agent.id, text=text, tags=tags, created_at=NOON + timedelta(days=day)
        )

    def found(query: str = "who likes tea?", **filters: Any) -> list[str]:
        answer = client.agents.passages.search(agent.id, query=query, **filters)
        assert answer.count == len(answer.results)
        return sorted(result.content for result in answer.results)

    assert found() == ["Ann likes tea", "Bob likes tea"]
    assert found(top_k=1) in (["Ann likes tea"], ["Bob likes tea"])
    assert found(tags=["bob", "old"]) == ["Ann likes tea", "Bob likes tea"]
    assert found(tags=["ann", "old"], tag_match_mode="all") == ["Ann likes tea"]
    assert found(start_datetime=NOON + timedelta(hours=1)) == ["Ann likes tea"]
    assert found(end_datetime=NOON + timedelta(hours=1)) == ["Bob likes tea"]
    assert found("nothing of it") == []
    assert found("'); drop table x; -- & | ! :*") == []
    with pytest.raises(NotFoundError):
        client.agents.passages.search(new_id("agent"), query="x")


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+18:00", "9999-12-31T23:59:59-01:00"])
def test_times_that_cannot_be_counted_with_are_refused_and_nothing_is_kept(
    client: Letta, agent: AgentState, when: str
) -> None:
    with pytest.raises(UnprocessableEntityError, match="years 2 to 9998"):
        client.agents.passages.search(agent.id, query="x", start_datetime=when)
    with pytest.raises(UnprocessableEntityError, match="years 2 to 9998"):
        client.agents.passages.create(agent.id, text="Long ago, or far ahead.", created_at=when)

    assert client.agents.passages.list(agent.id) == []


@pytest.mark.parametrize("year", [2, 9998])
def test_passages_of_the_first_and_the_last_year_are_found(
    client: Letta, agent: AgentState, year: int
) -> None:
    day = NOON.replace(year=year, month=1 if year == 2 else 12)
    client.agents.update(agent.id, timezone="America/Lima")
    client.agents.passages.create(agent.id, text="The comet came.", created_at=day)

    answer = client.agents.passages.search(agent.id, query="when came the comet?")

    assert [result.content for result in answer.results] == ["The comet came."]


def test_search_tells_the_time_in_the_agents_zone(client: Letta, agent: AgentState) -> None:
    client.agents.passages.create(agent.id, text="tea", created_at=NOON, tags=["a"])

    (result,) = client.agents.passages.search(agent.id, query="tea").results

    assert datetime.fromisoformat(result.timestamp) == NOON
    assert result.tags == ["a"]


@pytest.mark.parametrize("query", ["a" * 6000, "😀", "\\", "' | '", "%", "汉字"])
def test_search_with_hostile_queries_never_fails(
    client: Letta, agent: AgentState, query: str
) -> None:
    assert client.agents.passages.search(agent.id, query=query).results == []


def test_search_with_a_nul_is_refused(server: Server, agent: AgentState) -> None:
    url = f"{server.base_url}/v1/agents/{agent.id}/archival-memory/search?query=a%00b"

    assert httpx.get(url).status_code == 422


def test_delete_removes_only_that_passage(client: Letta, agent: AgentState) -> None:
    (one,) = client.agents.passages.create(agent.id, text="one")
    (two,) = client.agents.passages.create(agent.id, text="two")

    client.agents.passages.delete(str(one.id), agent_id=agent.id)

    assert [passage.id for passage in client.agents.passages.list(agent.id)] == [two.id]
    with pytest.raises(NotFoundError):
        client.agents.passages.delete(str(one.id), agent_id=agent.id)
    with pytest.raises(NotFoundError):
        client.agents.passages.delete(str(two.id), agent_id=new_id("agent"))


def test_passages_search_covers_an_agent_or_an_archive(client: Letta, agent: AgentState) -> None:
    word = f"w{uuid.uuid4().hex}"
    (passage,) = client.agents.passages.create(agent.id, text=f"the {word} of it", tags=["t"])

    for scope in ({}, {"agent_id": agent.id}, {"archive_id": str(passage.archive_id)}):
        (hit,) = client.passages.search(query=word, tags=["t"], **scope)
        assert hit.passage.id == passage.id
        assert hit.score > 0
        assert hit.metadata["legs"]["words"] > 0
        assert {"search_mode": "fts", "fts_rank": 1, "vector_rank": None}.items() <= (
            hit.metadata.items()
        )
    newest = client.passages.search(agent_id=agent.id)
    assert [hit.passage.id for hit in newest] == [passage.id]
    assert newest[0].metadata["search_mode"] == "timestamp"
    assert client.passages.search(query=word, agent_id=new_id("agent")) == []
    with pytest.raises(UnprocessableEntityError):
        client.passages.search(query=word, archive_id="archive-1")


def test_the_agent_finds_what_the_api_stored(server: Server, client: Letta) -> None:
    agent = client.agents.create(
        name=uuid.uuid4().hex, model=MODEL, tools=["archival_memory_search"]
    )
    client.agents.passages.create(agent.id, text="The key is under the mat")
    script = '[[script: call archival_memory_search {"query": "where is the key"}]]'

    response = client.agents.messages.create(agent.id, input=f"go {script} [[then: say ok]]")

    assert "under the mat" in response.messages[1].tool_return


def test_blocks_that_the_schedule_keeps_small_are_named_by_the_agent(client: Letta) -> None:
    agent = client.agents.create(
        name=uuid.uuid4().hex,
        model=MODEL,
        compaction_settings={"archive_blocks": ["human"]},  # type: ignore[typeddict-unknown-key]
    )
    client.agents.update(agent.id, compaction_settings={"fan_out": 4})  # type: ignore[typeddict-unknown-key]

    found = client.agents.retrieve(agent.id).compaction_settings

    assert found is not None
    assert found.to_dict()["archive_blocks"] == ["human"]


def test_facts_of_history_show_what_is_known_of_them_and_as_of_finds_those_that_ended(
    server: Server, client: Letta
) -> None:
    agent = client.agents.create(
        name=uuid.uuid4().hex,
        model=MODEL,
        compaction_settings={"mode": "all", "archive_facts": True},  # type: ignore[typeddict-unknown-key]
    )
    for place in ("Lisbon", "Porto"):
        said = f"Ana lives in {place}. [[script: say Noted.]]"
        client.agents.messages.create(agent.id, input=said)
        client.agents.messages.create(agent.id, input="Thanks. [[script: say Welcome.]]")
        client.agents.messages.compact(agent.id)

        def answer(request: Request, place: str = place) -> Reply:
            line = re.search(rf"\[(m\d+) [^]]*\] user: Ana lives in {place}", str(request.turns))
            assert line is not None
            found = {"text": f"Ana lives in {place}.", "kind": "profile", "sources": [line[1]]}
            found |= {"subject": "Ana", "attribute": "home"}
            return Reply(parts=(Text(text=json.dumps({"facts": [found]})),), finish="stop")

        world = World.over(server.database.app_uri, [answer])
        archive_facts(world.deps, Allowance(calls=9, tokens=99_999), deadline=float("inf"))
        world.close()

    passages = client.agents.passages.list(agent.id)
    lisbon = next(passage for passage in passages if "Lisbon" in passage.text)
    assert lisbon.metadata is not None
    fact = lisbon.metadata["fact"]
    assert (fact["kind"], fact["trust"]) == ("profile", "high")
    assert client.messages.retrieve(fact["source_message_ids"][0])
    now = client.agents.passages.search(agent.id, query="Where does Ana live?")
    assert [result.content for result in now.results] == ["Ana lives in Porto."]
    then = client.agents.passages.search(
        agent.id, query="Where does Ana live?", extra_query={"as_of": fact["valid_from"]}
    )
    assert [result.content for result in then.results] == ["Ana lives in Lisbon."]
