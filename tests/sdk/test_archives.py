"""Archives, shared or not, through the official SDK."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
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

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL)


def test_archive_is_made_read_changed_and_deleted(client: Letta) -> None:
    made = client.archives.create(name="Manuals", description="Of machines")
    changed = client.archives.update(made.id, name="Books", description=None)

    assert made.id.startswith("archive-")
    assert (made.name, made.description) == ("Manuals", "Of machines")
    assert (made.vector_db_provider, made.embedding_config, made.metadata) == ("native", None, {})
    assert (changed.name, changed.description) == ("Books", None)
    assert client.archives.update(made.id).name == "Books"
    assert client.archives.retrieve(made.id).name == "Books"
    assert client.archives.delete(made.id) is None
    for refused in (
        lambda: client.archives.retrieve(made.id),
        lambda: client.archives.update(made.id, name="x"),
        lambda: client.archives.delete(made.id),
    ):
        with pytest.raises(NotFoundError):
            refused()


def test_delete_answers_without_a_body(server: Server, client: Letta) -> None:
    made = client.archives.create(name="x")

    answer = httpx.delete(f"{server.base_url}/v1/archives/{made.id}")

    assert (answer.status_code, answer.content) == (204, b"")


def test_archive_takes_a_model_in_either_form(client: Letta) -> None:
    new = client.archives.create(name="new", embedding="openai/small")
    old = client.archives.create(
        name="old",
        embedding_config={
            "embedding_dim": 3,
            "embedding_endpoint_type": "openai",
            "embedding_model": "small",
        },
    )

    assert new.embedding_config is not None
    assert old.embedding_config is not None
    assert new.embedding_config.handle == old.embedding_config.handle == "openai/small"


def test_another_model_becomes_the_next_one_and_can_be_taken_back(client: Letta) -> None:
    made = client.archives.create(name="x", embedding="openai/small")
    client.archives.passages.create(made.id, text="a navy door")

    moved = client.archives.update(made.id, extra_body={"embedding": "openai/large"})
    back = client.archives.update(made.id, extra_body={"embedding": "openai/small"})
    none = client.archives.update(made.id, extra_body={"embedding": None})

    assert moved.embedding_config is not None
    assert moved.embedding_config.handle == "openai/large"
    assert reembedding(moved) == {"in_use": "openai/small", "passages": 1, "passages_done": 0}
    assert back.embedding_config is not None
    assert (back.embedding_config.handle, reembedding(back)) == ("openai/small", None)
    assert (none.embedding_config, reembedding(none)) == (None, None)
    with pytest.raises(NotFoundError, match="no/such"):
        client.archives.update(made.id, name="y", extra_body={"embedding": "no/such"})
    assert client.archives.retrieve(made.id).name == "x"


def reembedding(archive: Any) -> Any:
    return archive.model_extra["reembedding"]


def test_an_agents_own_archive_changes_with_it_and_a_shared_one_does_not(client: Letta) -> None:
    agent = client.agents.create(name=uuid.uuid4().hex, model=MODEL, embedding="openai/small")
    client.agents.passages.create(agent.id, text="a navy door")
    shared = client.archives.create(name="shared", embedding="openai/small")
    client.agents.archives.attach(shared.id, agent_id=agent.id)

    moved = client.agents.update(agent.id, embedding="openai/large")
    named = client.agents.update(agent.id, name="still changing")

    for seen in (moved, named):
        assert (seen.embedding, in_use(seen)) == ("openai/large", "openai/small")
    own, other = sorted(
        client.archives.list(agent_id=agent.id).items, key=lambda archive: archive.id == shared.id
    )
    assert reembedding(own) == {"in_use": "openai/small", "passages": 1, "passages_done": 0}
    assert reembedding(other) is None
    back = client.agents.update(agent.id, embedding="openai/small")
    assert (back.embedding, in_use(back)) == ("openai/small", "openai/small")
    assert reembedding(client.archives.retrieve(own.id)) is None


def in_use(agent: AgentState) -> Any:
    extra = agent.model_extra
    assert extra is not None
    return extra["embedding_in_use"]


def test_list_pages_and_filters(client: Letta, agent: AgentState) -> None:
    name = uuid.uuid4().hex
    made = [client.archives.create(name=name).id for _ in range(3)]
    client.agents.archives.attach(made[1], agent_id=agent.id)

    def ids(**query: Any) -> list[str]:
        return [archive.id for archive in client.archives.list(**query).items]

    assert ids(name=name) == made[::-1]
    assert ids(name=name, order="asc") == made
    assert ids(name=name, order="asc", after=made[0], limit=1) == [made[1]]
    assert ids(name=name, before=made[0]) == [made[2], made[1]]
    assert [archive.id for archive in client.archives.list(name=name, limit=1)] == made[::-1]
    assert ids(agent_id=agent.id) == [made[1]]
    assert ids(agent_id=new_id("agent")) == []
    with pytest.raises(UnprocessableEntityError):
        ids(after=new_id("archive"))


def test_passages_are_stored_one_by_one_or_together(client: Letta) -> None:
    archive = client.archives.create(name="notes").id

    one = client.archives.passages.create(
        archive, text="one", tags=["a"], metadata={"page": 1}, created_at=NOON.isoformat()
    )
    many = client.archives.passages.create_many(
        archive, passages=[{"text": f"text {n}", "tags": ["b"]} for n in range(200)]
    )

    assert (one.text, one.tags, one.metadata) == ("one", ["a"], {"page": 1})
    assert (one.archive_id, one.created_at) == (archive, NOON)
    assert [passage.text for passage in many] == [f"text {n}" for n in range(200)]
    hits = client.passages.search(archive_id=archive, tags=["a"])
    assert [hit.passage.id for hit in hits] == [one.id]
    assert client.archives.passages.create_many(archive, passages=[]) == []
    assert client.archives.passages.delete(str(one.id), archive_id=archive) is None
    with pytest.raises(NotFoundError):
        client.archives.passages.delete(str(one.id), archive_id=archive)


def test_one_bad_text_stores_none_of_them(client: Letta) -> None:
    archive = client.archives.create(name="notes").id

    with pytest.raises(UnprocessableEntityError, match=r"passages\[1\]"):
        client.archives.passages.create_many(archive, passages=[{"text": "good"}, {"text": ""}])
    with pytest.raises(UnprocessableEntityError):
        client.archives.passages.create(archive, text="x", tags=[" "])
    with pytest.raises(NotFoundError):
        client.archives.passages.create(new_id("archive"), text="x")

    assert client.passages.search(archive_id=archive) == []


def test_agents_that_share_an_archive_find_the_same(client: Letta, agent: AgentState) -> None:
    other = client.agents.create(name="other", model=MODEL)
    archive = client.archives.create(name="shared").id
    client.archives.passages.create(archive, text="The key is under the mat")

    for each in (agent, other, agent):
        assert client.agents.archives.attach(archive, agent_id=each.id) is None
    before = client.agents.passages.search(agent.id, query="where is the key?")
    client.agents.archives.detach(archive, agent_id=agent.id)
    client.agents.archives.detach(archive, agent_id=agent.id)

    assert [hit.content for hit in before.results] == ["The key is under the mat"]
    assert client.agents.passages.search(agent.id, query="where is the key?").count == 0
    assert client.agents.passages.search(other.id, query="where is the key?").count == 1
    client.agents.delete(agent.id)
    client.agents.delete(other.id)
    assert client.archives.retrieve(archive).name == "shared", "it belongs to no agent"
    with pytest.raises(NotFoundError):
        client.agents.archives.attach(archive, agent_id=agent.id)


def test_attach_of_an_unknown_archive_is_refused(client: Letta, agent: AgentState) -> None:
    with pytest.raises(NotFoundError):
        client.agents.archives.attach(new_id("archive"), agent_id=agent.id)
    with pytest.raises(UnprocessableEntityError):
        client.agents.archives.attach("archive-1", agent_id=agent.id)
