"""The tree of a conversation's summaries, over HTTP (the SDK has no method for it)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    """An agent whose history was compacted often enough for a summary of summaries."""
    agent = client.agents.create(name=uuid.uuid4().hex, model=MODEL)
    for turn in range(8):
        for word in ("one", "two"):
            client.agents.messages.create(agent.id, input=f"{turn} {word} [[script: say ok]]")
        client.agents.messages.compact(agent.id, compaction_settings={"mode": "all"})
    return agent


def summaries(server: Server, conversation_id: str, status: int = 200, **query: str) -> Any:
    answer = httpx.get(
        f"{server.base_url}/v1/conversations/{conversation_id}/summaries", params=query
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def test_summaries_are_read_from_those_in_the_window_down_to_the_messages(
    server: Server, agent: AgentState
) -> None:
    roots = summaries(server, "default", agent_id=agent.id)

    assert roots[0]["level"] == 1
    assert roots[0]["from_seq"] == 1
    parts = summaries(server, "default", agent_id=agent.id, parent_id=roots[0]["id"])
    assert [part["level"] for part in parts] == [0] * len(parts)
    assert [part["from_seq"] for part in parts[1:]] == [part["to_seq"] + 1 for part in parts[:-1]]
    assert parts[-1]["to_seq"] == roots[0]["to_seq"]
    assert summaries(server, "default", agent_id=agent.id, parent_id=parts[0]["id"]) == []


def test_summaries_of_nothing_are_not_found(server: Server, agent: AgentState) -> None:
    assert summaries(server, new_id("conv"), 404)["detail"]
    assert summaries(server, "default", 404, agent_id=agent.id, parent_id=new_id("summary"))
    assert summaries(server, "default", 422, agent_id=agent.id, parent_id="the first")


def test_summary_of_another_conversation_is_not_found(
    server: Server, client: Letta, agent: AgentState
) -> None:
    other = client.conversations.create(agent_id=agent.id)
    root_id = summaries(server, "default", agent_id=agent.id)[0]["id"]

    assert summaries(server, other.id) == []
    assert summaries(server, other.id, 404, parent_id=root_id)
