"""The memory of an agent as it was: at a time, or as a step left it."""

from __future__ import annotations

from datetime import datetime, timedelta
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
def http(server: Server) -> Generator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=30) as http:
        yield http


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(
        model=MODEL,
        memory_blocks=[{"label": "one", "value": "1"}, {"label": "two", "value": "2"}],
        tools=["memory_insert", "archival_memory_insert"],
        include_base_tools=False,
    )


def edit_both(client: Letta, agent: AgentState) -> str:
    """A step that edits two blocks and stores a passage; gives its id."""
    said = (
        '[[script: call memory_insert {"label": "one", "new_string": "by a step"}]]'
        ' [[and: call memory_insert {"label": "two", "new_string": "by a step"}]]'
        ' [[and: call archival_memory_insert {"content": "by a step"}]]'
        " [[then: say noted]]"
    )
    answer = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": said}])
    return next(message.step_id for message in answer.messages if message.step_id)


def blocks(http: httpx.Client, agent: AgentState, as_of: str) -> dict[str, str]:
    answer = http.get(f"/v1/agents/{agent.id}/core-memory/blocks", params={"as_of": as_of})
    assert answer.status_code == 200, answer.text
    return {block["label"]: block["value"] for block in answer.json()}


def passages(http: httpx.Client, agent: AgentState, as_of: str, **query: Any) -> list[str]:
    answer = http.get(f"/v1/agents/{agent.id}/archival-memory", params={"as_of": as_of} | query)
    assert answer.status_code == 200, answer.text
    return [passage["text"] for passage in answer.json()]


def at_of(http: httpx.Client, block_id: str, version: int) -> datetime:
    versions = http.get(f"/v1/blocks/{block_id}/history").json()
    return next(datetime.fromisoformat(v["at"]) for v in versions if v["version"] == version)


def test_no_moment_shows_half_of_a_step(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id = edit_both(client, agent)
    client.agents.blocks.update("one", agent_id=agent.id, value="later")
    at = at_of(http, agent.blocks[0].id or "", 2)

    before = (at - timedelta(microseconds=1)).isoformat()
    assert (blocks(http, agent, before), passages(http, agent, before)) == (
        {"one": "1", "two": "2"},
        [],
    )
    whole = ({"one": "1\nby a step", "two": "2\nby a step"}, ["by a step"])
    for moment in (at.isoformat(), step_id):
        assert (blocks(http, agent, moment), passages(http, agent, moment)) == whole


def test_what_was_attached_then_is_shown_as_it_was(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    one, two = (block.id or "" for block in agent.blocks)
    client.blocks.update(one, label="uno", value="changed")
    client.agents.blocks.detach(two, agent_id=agent.id)
    three = client.blocks.create(label="three", value="3")
    client.agents.blocks.attach(three.id, agent_id=agent.id)
    begin = at_of(http, two, 1).isoformat()
    end = at_of(http, three.id, 1).isoformat()

    assert blocks(http, agent, begin) == {"one": "1", "two": "2"}
    assert blocks(http, agent, end) == {"uno": "changed"}
    past = http.get(f"/v1/blocks/{one}", params={"as_of": begin})
    assert (past.json()["value"], past.headers["etag"]) == ("1", '"1"')
    assert http.get(f"/v1/blocks/{three.id}", params={"as_of": begin}).status_code == 404


def test_passages_that_were_changed_or_deleted_since(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    ids = [client.agents.passages.create(agent.id, text=text)[0].id for text in ("a", "b", "c")]
    step_id = edit_both(client, agent)
    http.patch(f"/v1/passages/{ids[0]}", json={"text": "A"}).raise_for_status()
    client.agents.passages.delete(ids[1], agent_id=agent.id)
    archive_id = client.agents.passages.list(agent.id)[0].archive_id
    client.agents.archives.detach(archive_id, agent_id=agent.id)

    assert client.agents.passages.list(agent.id) == []
    assert passages(http, agent, step_id) == ["a", "b", "c", "by a step"]
    assert passages(http, agent, step_id, limit=1, after=ids[0]) == ["b"]
    assert passages(http, agent, step_id, search="STEP") == ["by a step"]


def test_moments_that_cannot_be_read_are_named(http: httpx.Client, agent: AgentState) -> None:
    address = f"/v1/agents/{agent.id}/core-memory/blocks"

    garbled = http.get(address, params={"as_of": "yesterday"})
    unknown = http.get(address, params={"as_of": new_id("step")})
    nobody = http.get(address.replace(agent.id, new_id("agent")), params={"as_of": "2026-01-01"})
    backwards = http.get(
        f"/v1/agents/{agent.id}/archival-memory",
        params={"as_of": "2026-01-01", "ascending": False},
    )

    assert (garbled.status_code, unknown.status_code, nobody.status_code) == (422, 404, 404)
    assert "as_of" in garbled.json()["detail"]
    assert backwards.status_code == 422


def test_the_past_of_a_deleted_agent_is_gone(
    server: Server, client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    client.agents.blocks.detach(agent.blocks[0].id or "", agent_id=agent.id)
    client.agents.passages.create(agent.id, text="a")

    client.agents.delete(agent.id)

    gone = http.get(f"/v1/agents/{agent.id}/core-memory/blocks", params={"as_of": "2999-01-01"})
    assert gone.status_code == 404


def test_step_that_only_stored_a_passage_is_shown_with_it(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    script = '[[script: call archival_memory_insert {"content": "alone"}]] [[and: say Done.]]'
    answer = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": script}])
    step_id = next(message.step_id for message in answer.messages if message.step_id)

    assert passages(http, agent, step_id) == ["alone"]


def test_block_is_found_by_the_label_that_it_had(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    step_id = edit_both(client, agent)
    block_id = agent.blocks[0].id or ""
    client.blocks.update(block_id, label="uno", value="later")
    address = f"/v1/agents/{agent.id}/core-memory/blocks"

    then = http.get(f"{address}/one", params={"as_of": step_id})
    missing = http.get(f"{address}/uno", params={"as_of": step_id})

    assert (then.json()["id"], then.json()["value"]) == (block_id, "1\nby a step")
    assert then.headers["etag"] == '"2"'
    assert missing.status_code == 404
    assert "had no block with this label then" in missing.json()["detail"]
    assert http.get(f"{address}/uno").json()["value"] == "later"
