"""What every search over HTTP has in common: filters, pages, budgets of tokens, scores."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from letta_client import UnprocessableEntityError
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
LEGS = {"words", "vector", "when", "speaker", "phrase"}

# A search for "tea", told as text, id, score and legs of each hit.
Search: TypeAlias = "Callable[..., list[tuple[str, str, float, dict[str, Any]]]]"


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL)


@pytest.fixture
def tea(client: Letta, agent: AgentState) -> AgentState:
    """An agent that was told of tea five times, and keeps five passages about it."""
    for number in range(5):
        text = "tea " + "and milk " * number
        client.agents.messages.create(agent.id, input=f"{text} [[script: say yes]]")
        client.agents.passages.create(
            agent.id, text=text, tags=["drink"], created_at=NOON + timedelta(days=number)
        )
    return agent


def searches(client: Letta, agent: AgentState) -> dict[str, Search]:
    def messages(**wanted: Any) -> list[tuple[str, str, float, dict[str, Any]]]:
        found = client.messages.search(query="tea", agent_id=agent.id, **wanted)
        return [(hit.content, hit.message_id, hit.score, hit.legs) for hit in found]  # type: ignore[attr-defined]

    def passages(**wanted: Any) -> list[tuple[str, str, float, dict[str, Any]]]:
        found = client.passages.search(query="tea", agent_id=agent.id, **wanted)
        return [
            (hit.passage.text, str(hit.passage.id), hit.score, hit.metadata["legs"])
            for hit in found
        ]

    def own(**wanted: Any) -> list[tuple[str, str, float, dict[str, Any]]]:
        top_k = {"top_k": wanted.pop("limit")} if "limit" in wanted else {}
        found = client.agents.passages.search(agent.id, query="tea", **top_k, **wanted)
        return [(hit.content, hit.id, hit.score, hit.legs) for hit in found.results]  # type: ignore[attr-defined]

    return {"messages": messages, "passages": passages, "own": own}


def more(**fields: Any) -> dict[str, Any]:
    """Fields that the SDK does not know, in the body and in the query alike."""
    return {"extra_body": fields, "extra_query": fields}


@pytest.mark.parametrize("name", ["messages", "passages", "own"])
def test_pages_of_a_search_join_to_the_whole(client: Letta, tea: AgentState, name: str) -> None:
    search = searches(client, tea)[name]

    whole = search(limit=20)
    pages = [search(limit=2)]
    while pages[-1]:
        pages.append(search(limit=2, **more(after=pages[-1][-1][1])))

    assert [hit[1] for page in pages for hit in page] == [hit[1] for hit in whole]
    assert len(whole) >= 5
    assert [len(page) for page in pages[:2]] == [2, 2]


@pytest.mark.parametrize("name", ["messages", "passages", "own"])
def test_a_budget_keeps_the_best_that_fit_and_never_nothing(
    client: Letta, tea: AgentState, name: str
) -> None:
    search = searches(client, tea)[name]

    whole = search(limit=20)

    assert search(limit=20, **more(budget_tokens=1))[0][1] == whole[0][1]
    assert 1 <= len(search(limit=20, **more(budget_tokens=1))) < len(whole)
    assert len(search(limit=20, **more(budget_tokens=4000))) == len(whole)
    with pytest.raises(UnprocessableEntityError, match="budget_tokens"):
        search(**more(budget_tokens=0))


@pytest.mark.parametrize("name", ["messages", "passages", "own"])
def test_every_hit_has_its_score_and_its_legs(client: Letta, tea: AgentState, name: str) -> None:
    hits = searches(client, tea)[name](limit=20)

    assert [hit[2] for hit in hits] == sorted((hit[2] for hit in hits), reverse=True)
    assert hits[0][2] == 1
    assert all(set(hit[3]) == LEGS and hit[3]["words"] > 0 for hit in hits if "tea" in hit[0])


def test_messages_are_filtered_by_role_and_conversation(client: Letta, tea: AgentState) -> None:
    search = searches(client, tea)["messages"]

    of_agent = search(limit=20, **more(roles=["assistant"]))

    assert all(text == "yes" for text, *_ in of_agent)
    assert all("tea" in text for text, *_ in search(limit=20, **more(roles=["user"])))
    with pytest.raises(UnprocessableEntityError, match="roles"):
        search(**more(roles=["nobody"]))


def test_passages_are_filtered_by_tags_dates_and_archive(client: Letta, tea: AgentState) -> None:
    client.agents.passages.create(tea.id, text="green tea", tags=["drink", "green"])
    for name in ("passages", "own"):
        search = searches(client, tea)[name]
        dates = (
            ("start_date", "end_date")
            if name == "passages"
            else (
                "start_datetime",
                "end_datetime",
            )
        )

        assert len(search(limit=20, tags=["drink"])) == 6
        assert len(search(limit=20, tags=["green", "none"])) == 1
        assert search(limit=20, tags=["green", "none"], tag_match_mode="all") == []
        assert len(search(limit=20, **{dates[1]: NOON + timedelta(days=1)})) == 2
        assert len(search(limit=20, **{dates[0]: NOON + timedelta(days=4)})) == 2
    with pytest.raises(UnprocessableEntityError, match="archive_id"):
        client.passages.search(query="tea", archive_id="archive-1")


def test_a_cursor_wants_one_agent_and_an_id(client: Letta, tea: AgentState) -> None:
    with pytest.raises(UnprocessableEntityError, match="agent_id"):
        client.messages.search(query="tea", extra_body={"after": new_id("message")})
    for search in searches(client, tea).values():
        with pytest.raises(UnprocessableEntityError, match="after"):
            search(**more(after="7"))
