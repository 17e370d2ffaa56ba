"""Agents and conversations that begin as others were at some step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

NOTE = (
    '[[script: call memory_insert {{"label": "notes", "new_string": "{0}"}}]]'
    ' [[and: call archival_memory_insert {{"content": "{0}"}}]] [[then: say noted]]'
)


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def http(server: Server) -> Generator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=30) as http:
        yield http


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(
        name="original",
        model=MODEL,
        memory_blocks=[
            {"label": "notes", "value": "start"},
            {"label": "rules", "value": "be kind"},
        ],
        tools=["memory_insert", "archival_memory_insert"],
        include_base_tools=False,
        tags=["t"],
    )


def note(client: Letta, agent: AgentState, text: str) -> str:
    """A run that notes a text in a block and in the archive; gives the id of its last step."""
    said = NOTE.format(text)
    answer = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": said}])
    return next(message.step_id for message in reversed(answer.messages) if message.step_id)


def forked(http: httpx.Client, agent: AgentState, **body: Any) -> dict[str, Any]:
    answer = http.post(f"/v1/agents/{agent.id}/fork", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def memory(client: Letta, agent_id: str) -> dict[str, str]:
    return {b.label or "": b.value for b in client.agents.blocks.list(agent_id).items}


def texts(client: Letta, agent_id: str) -> list[str]:
    return [passage.text for passage in client.agents.passages.list(agent_id)]


def test_a_fork_begins_as_the_agent_was_at_the_step(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id = note(client, agent, "first")
    there = [m.date for m in client.agents.messages.list(agent.id, order="asc").items]
    note(client, agent, "second")
    client.agents.blocks.update("rules", agent_id=agent.id, value="be quick")

    fork = forked(http, agent, step_id=step_id, name="copy")

    assert (fork["name"], fork["tags"], fork["model"]) == ("copy", ["t"], MODEL)
    assert memory(client, fork["id"]) == {"notes": "start\nfirst", "rules": "be kind"}
    assert texts(client, fork["id"]) == ["first"]
    copies = client.agents.messages.list(fork["id"], order="asc").items
    assert [m.date for m in copies] == there
    assert {t.name for t in client.agents.tools.list(fork["id"]).items} == {
        "memory_insert",
        "archival_memory_insert",
    }


def test_a_fork_and_its_origin_go_their_own_ways(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    note(client, agent, "first")
    fork = forked(http, agent)
    other = client.agents.retrieve(fork["id"])

    note(client, other, "forked")

    assert memory(client, agent.id)["notes"] == "start\nfirst"
    assert memory(client, other.id)["notes"] == "start\nfirst\nforked"
    assert texts(client, agent.id) == ["first"]
    assert texts(client, other.id) == ["first", "forked"]
    client.agents.delete(agent.id)
    assert texts(client, other.id) == ["first", "forked"]


def test_blocks_that_others_have_are_shared_if_asked(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    shared = client.blocks.create(label="team", value="ours")
    client.agents.blocks.attach(shared.id, agent_id=agent.id)
    client.agents.create(model=MODEL, block_ids=[shared.id])
    notes = agent.blocks[0].id

    copied = {b["label"]: b["id"] for b in forked(http, agent)["blocks"]}
    sharing = {b["label"]: b["id"] for b in forked(http, agent, share_blocks=True)["blocks"]}

    assert copied["team"] != shared.id
    assert sharing["team"] == shared.id
    assert notes not in (copied["notes"], sharing["notes"])


def test_a_step_of_somebody_else_is_not_found(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    other = client.agents.create(model=MODEL)
    said = [{"role": "user", "content": "hello"}]
    step_id = client.agents.messages.create(other.id, messages=said).messages[0].step_id
    address = f"/v1/agents/{agent.id}/fork"

    assert http.post(address, json={"step_id": step_id}).status_code == 404
    assert http.post(address, json={"step_id": new_id("step")}).status_code == 404
    assert http.post(address, json={"step_id": "x"}).status_code == 422
    assert http.post(address.replace(agent.id, new_id("agent")), json={}).status_code == 404


def test_a_conversation_forks_from_a_step(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    conversation = client.conversations.create(agent_id=agent.id)
    steps: list[str] = []
    for text in ("one", "two"):
        said: list[Any] = list(
            client.conversations.messages.create(
                conversation.id, messages=[{"role": "user", "content": text}]
            )
        )
        steps.append(next(m.step_id for m in said if getattr(m, "step_id", None)))
    address = f"/v1/conversations/{conversation.id}/fork"

    fork = http.post(address, params={"step_id": steps[0]}).json()
    messages = client.conversations.messages.list(fork["id"], order="asc").items

    assert [m.content for m in messages] == ["one", "echo: one"]
    message_id = messages[0].id
    both = {"step_id": steps[0], "message_id": message_id}
    assert http.post(address, params=both).status_code == 422
    assert http.post(address, params={"step_id": new_id("step")}).status_code == 404
