"""Identities: whom agents and blocks belong to; attached by the SDK, made by plain requests."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import NotFoundError, UnprocessableEntityError
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
    with httpx.Client(base_url=server.base_url, timeout=60) as http:
        yield http


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL)


def an_identity(http: httpx.Client, **fields: Any) -> dict[str, Any]:
    body = {"identifier_key": uuid.uuid4().hex, "name": "Bob", "identity_type": "user"} | fields
    answer = http.post("/v1/identities/", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_identity_is_made_read_changed_and_deleted(http: httpx.Client, agent: AgentState) -> None:
    age = {"key": "age", "value": 7, "type": "number"}
    made = an_identity(http, properties=[age], agent_ids=[agent.id], project_id="p")
    path = f"/v1/identities/{made['id']}"
    changed = http.patch(path, json={"name": "Robert", "agent_ids": []}).json()
    known = http.put(f"{path}/properties", json=[{"key": "vip", "value": True, "type": "boolean"}])

    assert made["agent_ids"] == [agent.id]
    assert (made["properties"], made["project_id"]) == ([age], "p")
    assert (changed["name"], changed["agent_ids"]) == ("Robert", [])
    assert changed["identifier_key"] == made["identifier_key"]
    assert http.get(path).json() == known.json()
    assert known.json()["properties"] == [{"key": "vip", "value": True, "type": "boolean"}]
    assert http.delete(path).status_code == 200
    assert [
        http.request(verb, path, json={}).status_code for verb in ("GET", "PATCH", "DELETE")
    ] == [
        404,
        404,
        404,
    ]


def test_key_is_taken_once_and_put_changes_who_has_it(http: httpx.Client) -> None:
    made = an_identity(http)
    same = {"identifier_key": made["identifier_key"], "name": "Bobby", "identity_type": "org"}
    other = an_identity(http)

    refused = http.post("/v1/identities/", json=same)
    elsewhere = http.post("/v1/identities/", json=same | {"project_id": "another"})
    upserted = http.put("/v1/identities/", json=same).json()
    moved = http.patch(
        f"/v1/identities/{other['id']}", json={"identifier_key": made["identifier_key"]}
    )

    assert refused.status_code == 409
    assert made["identifier_key"] in refused.json()["detail"]
    assert elsewhere.status_code == 200
    assert (upserted["id"], upserted["name"]) == (made["id"], "Bobby")
    assert moved.status_code == 409
    assert http.get(f"/v1/identities/{other['id']}").json() == other


def test_sdk_attaches_and_detaches_an_identity(
    http: httpx.Client, client: Letta, agent: AgentState
) -> None:
    made = an_identity(http)
    for _ in range(2):
        client.agents.identities.attach(made["id"], agent_id=agent.id)
    attached = client.agents.retrieve(agent.id, include=["agent.identities"])
    plain = client.agents.retrieve(agent.id)
    for _ in range(2):
        client.agents.identities.detach(made["id"], agent_id=agent.id)
    detached = client.agents.retrieve(agent.id, include=["agent.identities"])

    assert attached.identities is not None
    assert [identity.id for identity in attached.identities] == [made["id"]]
    assert attached.identities[0].identity_type == "user"
    assert attached.identities[0].agent_ids == [agent.id]
    assert attached.identity_ids == [made["id"]]
    assert (plain.identities, plain.identity_ids) == ([], [])
    assert detached.identities == []


def test_attaching_what_does_not_exist_is_refused(
    http: httpx.Client, client: Letta, agent: AgentState
) -> None:
    made = an_identity(http)

    with pytest.raises(NotFoundError, match="identity-"):
        client.agents.identities.attach(new_id("identity"), agent_id=agent.id)
    with pytest.raises(NotFoundError, match="agent-"):
        client.agents.identities.attach(made["id"], agent_id=new_id("agent"))
    with pytest.raises(UnprocessableEntityError, match="identity-"):
        client.agents.identities.attach("identity-1", agent_id=agent.id)


def test_agents_are_made_changed_and_found_by_their_identities(
    http: httpx.Client, client: Letta
) -> None:
    first, second = an_identity(http), an_identity(http)
    made = client.agents.create(model=MODEL, identity_ids=[first["id"]])
    updated = client.agents.update(made.id, identity_ids=[second["id"]])
    same = client.agents.update(made.id, name="x")

    assert made.identity_ids == [first["id"]]
    assert updated.identity_ids == same.identity_ids == [second["id"]]
    assert client.agents.list(identity_id=first["id"]).items == []
    assert [a.id for a in client.agents.list(identity_id=second["id"])] == [made.id]
    assert [a.id for a in client.agents.list(identifier_keys=[second["identifier_key"], "x"])] == [
        made.id
    ]
    listed = http.get(f"/v1/identities/{second['id']}/agents").json()
    assert [agent["id"] for agent in listed] == [made.id]
    assert http.get(f"/v1/identities/{new_id('identity')}/agents").status_code == 404


def test_unknown_identity_makes_no_agent(client: Letta) -> None:
    name = uuid.uuid4().hex

    with pytest.raises(NotFoundError, match="identity-"):
        client.agents.create(name=name, model=MODEL, identity_ids=[new_id("identity")])

    assert client.agents.list(name=name).items == []


def test_blocks_are_attached_and_found_by_identity(http: httpx.Client, client: Letta) -> None:
    block = client.blocks.create(label="human", value="x")
    made = an_identity(http, block_ids=[block.id])
    other = an_identity(http)
    http.patch(f"/v1/blocks/{block.id}/identities/attach/{other['id']}").raise_for_status()

    assert made["block_ids"] == [block.id]
    assert [b.id for b in client.blocks.list(identity_id=other["id"])] == [block.id]
    assert [b.id for b in client.blocks.list(identifier_keys=[made["identifier_key"]])] == [
        block.id
    ]
    listed = http.get(f"/v1/identities/{other['id']}/blocks").json()
    assert [found["id"] for found in listed] == [block.id]
    http.patch(f"/v1/blocks/{block.id}/identities/detach/{other['id']}").raise_for_status()
    assert client.blocks.list(identity_id=other["id"]).items == []


def test_identities_are_listed_by_page_and_filter(http: httpx.Client) -> None:
    name = uuid.uuid4().hex
    made = [an_identity(http, name=name, identity_type=kind)["id"] for kind in ("user", "org")]

    def ids(**params: Any) -> list[str]:
        found = http.get("/v1/identities/", params={"name": name} | params).json()
        return [identity["id"] for identity in found]

    assert ids() == made[::-1]
    assert ids(order="asc", limit=1) == made[:1]
    assert ids(order="asc", after=made[0]) == made[1:]
    assert ids(identity_type="org") == made[1:]
    assert http.get("/v1/identities/", params={"after": new_id("identity")}).status_code == 422
