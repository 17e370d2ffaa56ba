"""What a passage was, who changed it, and taking changes back."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.server import MODEL, new_id
from support.world import value

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
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL)


def stored(client: Letta, agent: AgentState, text: str) -> str:
    (passage,) = client.agents.passages.create(agent.id, text=text, tags=["t"])
    return passage.id


def history(http: httpx.Client, passage_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = http.get(f"/v1/passages/{passage_id}/history", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def change(http: httpx.Client, passage_id: str, text: str, **headers: str) -> httpx.Response:
    return http.patch(f"/v1/passages/{passage_id}", json={"text": text}, headers=headers)


def undo(http: httpx.Client, passage_id: str, version: int | None = None) -> httpx.Response:
    return http.post(f"/v1/passages/{passage_id}/undo", json={"version": version})


def texts(client: Letta, agent: AgentState, query: str) -> list[str]:
    return [hit.content for hit in client.agents.passages.search(agent.id, query=query).results]


def test_every_change_is_a_version_with_its_author(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    passage_id = stored(client, agent, "tea")

    assert change(http, passage_id, "coffee").json()["text"] == "coffee"
    client.agents.passages.delete(passage_id, agent_id=agent.id)

    versions = history(http, passage_id)
    assert [(v["version"], v["text"], v["is_deleted"]) for v in versions] == [
        (3, None, True),
        (2, "coffee", False),
        (1, "tea", False),
    ]
    assert [v["made_by"]["origin"] for v in versions] == ["api"] * 3
    assert versions[0]["made_by"]["actor"].startswith("user-")
    assert versions[2]["sha256"] != versions[1]["sha256"]
    assert versions[2]["chars"] == 3
    assert versions[0]["at"] > versions[1]["at"] > versions[2]["at"]
    assert [v["version"] for v in history(http, passage_id, limit=1, before=3)] == [2]


def test_a_change_that_changes_nothing_is_no_version(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    passage_id = stored(client, agent, "tea")

    assert change(http, passage_id, "tea").status_code == 200

    assert [v["version"] for v in history(http, passage_id)] == [1]


def test_searches_find_only_what_is_there_now(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    passage_id = stored(client, agent, "oboe lessons")

    change(http, passage_id, "cello lessons")
    assert texts(client, agent, "oboe") == []
    assert texts(client, agent, "cello") == ["cello lessons"]
    http.delete(f"/v1/passages/{passage_id}").raise_for_status()

    assert texts(client, agent, "cello") == []
    assert client.agents.passages.list(agent.id) == []


def test_a_deletion_is_undone_and_done_again(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    passage_id = stored(client, agent, "tea")
    (before,) = client.agents.passages.list(agent.id)
    client.agents.passages.delete(passage_id, agent_id=agent.id)

    assert undo(http, passage_id).json()["passage"]["text"] == "tea"
    (after,) = client.agents.passages.list(agent.id)
    assert (after.tags, after.created_at) == (before.tags, before.created_at)
    assert undo(http, passage_id).json() == {"passage": None}

    versions = history(http, passage_id)
    assert [v["made_by"]["undoes"] for v in versions] == [3, 2, None, None]
    assert texts(client, agent, "tea") == []


def test_undo_keeps_what_came_later(client: Letta, http: httpx.Client, agent: AgentState) -> None:
    passage_id = stored(client, agent, "one\ntwo\nthree")
    change(http, passage_id, "ONE\ntwo\nthree")
    change(http, passage_id, "ONE\ntwo\nTHREE")

    assert undo(http, passage_id, 2).json()["passage"]["text"] == "one\ntwo\nTHREE"
    refused = undo(http, passage_id, 1)

    assert refused.status_code == 409
    detail = refused.json()["detail"]
    assert (detail["code"], detail["current_version"]) == ("edit_conflict", 4)
    assert (detail["yours"], detail["current"]["text"]) == (None, "one\ntwo\nTHREE")
    assert refused.headers["x-should-retry"] == "false"
    assert undo(http, passage_id, 9).status_code == 404


def test_if_match_leaves_alone_what_somebody_else_changed(
    client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    passage_id = stored(client, agent, "tea")

    assert change(http, passage_id, "coffee", **{"If-Match": '"1"'}).status_code == 200
    refused = change(http, passage_id, "juice", **{"If-Match": '"1"'})
    garbled = change(http, passage_id, "juice", **{"If-Match": "soon"})

    assert refused.status_code == 412
    detail = refused.json()["detail"]
    assert detail["code"] == "precondition_failed"
    assert (detail["yours"]["text"], detail["current"]["text"]) == ("juice", "coffee")
    assert detail["current_version"] == 2
    assert garbled.status_code == 422
    assert "If-Match" in garbled.json()["detail"]


def test_erasing_leaves_nothing(
    server: Server, client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    passage_id = stored(client, agent, "tea")
    change(http, passage_id, "coffee")
    client.agents.passages.delete(passage_id, agent_id=agent.id)
    other = client.agents.create(name=uuid.uuid4().hex, model=MODEL)
    address = f"/v1/agents/{other.id}/archival-memory/{passage_id}"

    assert http.delete(address, params={"erase": True}).status_code == 404
    assert http.delete(address.replace(other.id, agent.id), params={"erase": True}).is_success

    assert http.get(f"/v1/passages/{passage_id}/history").status_code == 404
    assert undo(http, passage_id).status_code == 404
    assert count_of(server, "passage_id", passage_id) == 0


def test_deleting_an_agent_or_an_archive_leaves_no_versions(
    server: Server, client: Letta, http: httpx.Client, agent: AgentState
) -> None:
    passage_id = stored(client, agent, "tea")
    change(http, passage_id, "coffee")
    archive = client.archives.create(name="shared")
    shared = client.archives.passages.create(archive.id, text="tea").id
    assert http.delete(f"/v1/archives/{archive.id}/passages/{shared}").status_code == 204
    assert count_of(server, "passage_id", shared) == 2

    client.agents.delete(agent.id)
    client.archives.delete(archive.id)

    assert count_of(server, "passage_id", passage_id) == 0
    assert count_of(server, "archive_id", archive.id) == 0


def test_a_changed_passage_is_found_by_its_new_vector(server: Server, client: Letta) -> None:
    """The model is away: the old vector must not stand for the new text."""
    archive = client.archives.create(name="with vectors", embedding="openai/text-embedding-3-small")
    passage_id = client.archives.passages.create(archive.id, text="tea").id
    with httpx.Client(base_url=server.base_url, timeout=30) as http:
        put_vector(server, passage_id)
        http.patch(f"/v1/passages/{passage_id}", json={"tags": ["x"]}).raise_for_status()
        assert vectors(server, passage_id) == 1
        change(http, passage_id, "coffee").raise_for_status()

    assert vectors(server, passage_id) == 0


def test_unknown_passages_have_no_history(http: httpx.Client) -> None:
    missing = new_id("passage")

    assert http.get(f"/v1/passages/{missing}/history").status_code == 404
    assert change(http, missing, "x").status_code == 404
    assert http.delete(f"/v1/passages/{missing}").status_code == 404


def count_of(server: Server, column: str, wanted: str) -> int:
    found = value(
        server.database.admin_uri,
        f"select count(*) from remanence.passage_versions where {column} = %s",
        wanted,
    )
    return int(found)


def vectors(server: Server, passage_id: str) -> int:
    found = value(
        server.database.admin_uri,
        "select count(*) from remanence.passage_vectors where passage_id = %s",
        passage_id,
    )
    return int(found)


def put_vector(server: Server, passage_id: str) -> None:
    value(
        server.database.admin_uri,
        "insert into remanence.passage_vectors"
        " (passage_id, org_id, archive_id, model, dimensions, embedding)"
        " select id, org_id, archive_id, 'openai/text-embedding-3-small', 2,"
        " remanence.to_halfvec(array[1, 0]::real[]) from remanence.passages where id = %s"
        " returning passage_id",
        passage_id,
    )
