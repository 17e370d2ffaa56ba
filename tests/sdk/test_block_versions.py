"""What a block was, who changed it, and editing it beside others, through the official SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import APIStatusError, ConflictError, NotFoundError, UnprocessableEntityError
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from support.server import Server


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def http(server: Server) -> Generator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=30) as http:
        yield http


def history(http: httpx.Client, block_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = http.get(f"/v1/blocks/{block_id}/history", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def undo(http: httpx.Client, block_id: str, version: int | None = None) -> httpx.Response:
    return http.post(f"/v1/blocks/{block_id}/undo", json={"version": version})


def read(client: Letta, block_id: str) -> tuple[str, str]:
    """The value and the ETag."""
    answer = client.blocks.with_raw_response.retrieve(block_id)
    return answer.parse().value, answer.headers["etag"]


def test_every_change_is_a_version_with_its_author(client: Letta, http: httpx.Client) -> None:
    agent = client.agents.create(model=MODEL, memory_blocks=[{"label": "team", "value": "start"}])
    block_id = agent.blocks[0].id or ""
    client.blocks.update(block_id, value="start\nby hand", description="who is in it")
    client.agents.tools.attach(memory_insert(client), agent_id=agent.id)
    call = '{"label": "team", "new_string": "by the agent"}'
    said = f"[[script: call memory_insert {call}]] [[then: say noted]]"
    client.agents.messages.create(agent.id, messages=[{"role": "user", "content": said}])

    newest, second, first = history(http, block_id)

    assert [v["version"] for v in (newest, second, first)] == [3, 2, 1]
    assert newest["value"] == "start\nby hand\nby the agent"
    assert newest["made_by"]["origin"] == "step"
    step = client.steps.retrieve(newest["made_by"]["step_id"])
    assert step.agent_id == agent.id
    assert newest["made_by"]["tool_call_id"]
    assert second["made_by"]["origin"] == "api"
    assert second["made_by"]["actor"].startswith("user-")
    assert (second["description"], first["description"]) == ("who is in it", None)
    assert newest["at"] > second["at"] > first["at"]
    assert (first["chars"], first["limit"]) == (5, 100_000)
    assert [v["version"] for v in history(http, block_id, before=3, limit=1)] == [2]
    with pytest.raises(NotFoundError):
        client.get(f"/v1/blocks/{new_id('block')}/history", cast_to=object)


def memory_insert(client: Letta) -> str:
    (tool,) = client.tools.list(name="memory_insert").items
    return tool.id


def test_undo_without_a_body_takes_back_the_newest_version(
    client: Letta, http: httpx.Client
) -> None:
    block_id = client.blocks.create(label="x", value="one").id or ""
    client.blocks.update(block_id, value="two")

    assert http.post(f"/v1/blocks/{block_id}/undo").json()["value"] == "one"


def test_undo_and_redo(client: Letta, http: httpx.Client) -> None:
    block = client.blocks.create(label="x", value="one\ntwo")
    client.blocks.update(block.id, value="ONE\ntwo")
    client.blocks.update(block.id, value="ONE\nTWO", description="d")

    undone = undo(http, block.id, 2)

    assert (undone.json()["value"], undone.json()["description"]) == ("one\nTWO", "d")
    assert undone.headers["etag"] == '"4"'
    assert undo(http, block.id).json()["value"] == "ONE\nTWO"
    assert [v["made_by"]["undoes"] for v in history(http, block.id)] == [4, 2, None, None, None]


def test_undo_that_later_changes_forbid_shows_both_sides(client: Letta, http: httpx.Client) -> None:
    block = client.blocks.create(label="x", value="one")
    client.blocks.update(block.id, value="two")
    client.blocks.update(block.id, value="three")

    refused = undo(http, block.id, 2)

    assert refused.status_code == 409
    detail = refused.json()["detail"]
    assert (detail["yours"]["value"], detail["current"]["value"]) == ("one", "three")
    assert client.blocks.retrieve(block.id).value == "three"
    assert undo(http, block.id, 1).status_code == 422
    assert undo(http, block.id, 8).status_code == 422
    assert undo(http, new_id("block")).status_code == 404


def test_if_match_is_compare_and_set(client: Letta) -> None:
    agent = client.agents.create(model=MODEL, memory_blocks=[{"label": "team", "value": "one"}])
    block_id = agent.blocks[0].id or ""
    _, etag = read(client, block_id)
    match = {"If-Match": etag}

    client.blocks.update(block_id, value="two", extra_headers=match)
    with pytest.raises(APIStatusError) as refused:
        client.blocks.update(block_id, value="three", extra_headers=match)
    with pytest.raises(APIStatusError) as of_agent:
        client.agents.blocks.update("team", agent_id=agent.id, value="4", extra_headers=match)

    assert (refused.value.status_code, of_agent.value.status_code) == (412, 412)
    detail = refused.value.body["detail"]  # type: ignore[index]
    assert detail["code"] == "precondition_failed"
    assert (detail["yours"]["value"], detail["current"]["value"]) == ("three", "two")
    assert detail["current_version"] == 2
    client.agents.blocks.update(
        "team", agent_id=agent.id, value="three", extra_headers={"If-Match": '"2"'}
    )
    assert read(client, block_id) == ("three", '"3"')
    client.blocks.update(block_id, value="as ever")
    assert read(client, block_id) == ("as ever", '"4"')


def test_an_edit_of_an_older_version_is_merged(client: Letta) -> None:
    block = client.blocks.create(label="x", value="one\ntwo\nthree")
    client.blocks.update(block.id, value="one\ntwo\nTHREE", description="theirs")

    merged = client.blocks.update(block.id, value="ONE\ntwo\nthree", extra_body={"base_version": 1})

    assert (merged.value, merged.description) == ("ONE\ntwo\nTHREE", "theirs")
    with pytest.raises(ConflictError) as refused:
        client.blocks.update(block.id, value="1\ntwo\nthree", extra_body={"base_version": 1})
    detail = refused.value.body["detail"]  # type: ignore[index]
    assert detail["yours"]["value"] == "1\ntwo\nthree"
    assert detail["current"]["value"] == "ONE\ntwo\nTHREE"
    with pytest.raises(UnprocessableEntityError, match="no version 9"):
        client.blocks.update(block.id, value="x", extra_body={"base_version": 9})
    with pytest.raises(UnprocessableEntityError, match="base_version"):
        client.blocks.update(
            block.id,
            value="x",
            extra_body={"base_version": 1},
            extra_headers={"If-Match": '"3"'},
        )
