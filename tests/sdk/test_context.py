"""What fills a context window, over HTTP (the SDK has no method for it)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.server import MODEL

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from support.server import Server


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


def context_of(server: Server, agent_id: str) -> dict[str, Any]:
    answer = httpx.get(f"{server.base_url}/v1/agents/{agent_id}/context")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_context_names_every_part_and_their_sum(server: Server, client: Letta) -> None:
    agent = client.agents.create(
        name=uuid.uuid4().hex,
        model=MODEL,
        memory_blocks=[{"label": "human", "value": "Name: Bob"}],
    )
    client.agents.passages.create(agent.id, text="a passage")
    client.agents.messages.create(
        agent.id, input="hello there [[script: say hi]] [[and: usage 900/5]]"
    )

    context = context_of(server, agent.id)

    parts = [value for key, value in context.items() if key.startswith("num_tokens_")]
    assert sum(parts) == context["context_window_size_current"] > 0
    assert context["context_window_size_max"] == agent.llm_config.context_window
    assert context["num_tokens_core_memory"] > 0
    assert context["num_tokens_functions_definitions"] > 0
    assert context["num_tokens_messages"] > 0
    assert (context["num_messages"], context["num_recall_memory"]) == (2, 0)
    assert context["num_archival_memory"] == 1
    assert "Name: Bob" in context["core_memory"]
    assert context["core_memory"] in context["system_prompt"]
    assert context["external_memory_summary"] in context["system_prompt"]
    assert context["summary_memory"] is None
    assert [message["message_type"] for message in context["messages"]] == [
        "user_message",
        "assistant_message",
    ]
    assert {tool["function"]["name"] for tool in context["functions_definitions"]} == {
        tool.name for tool in agent.tools
    }


def test_context_of_another_conversation_is_that_conversation_s(
    server: Server, client: Letta
) -> None:
    agent = client.agents.create(name=uuid.uuid4().hex, model=MODEL)
    stranger = client.agents.create(name=uuid.uuid4().hex, model=MODEL)
    client.agents.messages.create(agent.id, input="in the default one [[script: say yes]]")
    other = client.conversations.create(agent_id=agent.id)
    path = f"{server.base_url}/v1/agents/{agent.id}/context"

    found = httpx.get(path, params={"conversation_id": other.id}).json()
    foreign = client.conversations.create(agent_id=stranger.id).id

    assert found["messages"] == []
    assert context_of(server, agent.id)["messages"] != []
    assert httpx.get(path, params={"conversation_id": foreign}).status_code == 404
    assert httpx.get(path, params={"conversation_id": "conv-1"}).status_code == 422


def test_context_of_a_new_agent_has_no_messages(server: Server, client: Letta) -> None:
    agent = client.agents.create(name=uuid.uuid4().hex, model=MODEL)

    context = context_of(server, agent.id)

    assert context["messages"] == []
    assert context["num_messages"] == 0


@pytest.mark.parametrize(
    ("agent_id", "status"),
    [("agent-1", 422), ("agent-00000000-0000-4000-8000-000000000000", 404)],
)
def test_context_of_what_is_no_agent_is_refused(server: Server, agent_id: str, status: int) -> None:
    answer = httpx.get(f"{server.base_url}/v1/agents/{agent_id}/context")

    assert answer.status_code == status
