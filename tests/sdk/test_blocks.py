"""Blocks through the official SDK, attached to agents or not."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import ConflictError, NotFoundError, UnprocessableEntityError
from letta_client.types import BlockResponse
from support.server import MODEL, new_id
from support.world import value

if TYPE_CHECKING:
    from letta_client import Letta
    from support.server import Server


@pytest.fixture
def client(server: Server) -> Letta:
    return server.client()


def test_block_create_keeps_every_field(client: Letta) -> None:
    block = client.blocks.create(
        label="notes",
        value="one",
        limit=50,
        description="what to note",
        read_only=True,
        metadata={"k": [1]},
        tags=["t"],
        hidden=False,
        is_template=True,
        template_name="tpl",
        project_id="p",
        preserve_on_migration=True,
    )

    assert client.blocks.retrieve(block.id) == block
    assert block.to_dict() == {
        "id": block.id,
        "label": "notes",
        "value": "one",
        "limit": 50,
        "description": "what to note",
        "read_only": True,
        "metadata": {"k": [1]},
        "tags": ["t"],
        "hidden": False,
        "is_template": True,
        "template_name": "tpl",
        "template_id": None,
        "base_template_id": None,
        "deployment_id": None,
        "entity_id": None,
        "preserve_on_migration": True,
        "project_id": "p",
        "created_by_id": block.created_by_id,
        "last_updated_by_id": block.last_updated_by_id,
    }


def test_block_create_has_the_protocols_defaults(client: Letta) -> None:
    block = client.blocks.create(label="human", value="")

    assert block.limit == 100_000
    assert block.description
    assert (block.read_only, block.hidden, block.metadata, block.tags) == (False, False, {}, [])


def test_block_gives_every_key_of_the_sdk_type(client: Letta) -> None:
    made = client.blocks.create(label="x", value="")

    raw = client.get(f"/v1/blocks/{made.id}", cast_to=object)

    assert isinstance(raw, dict)
    assert {f.alias or n for n, f in BlockResponse.model_fields.items()} - set(raw) == set()


def versions(server: Server, block_id: str) -> list[tuple[int, str]]:
    found = value(
        server.database.admin_uri,
        "select jsonb_agg(jsonb_build_array(version, value) order by version)"
        " from remanence.block_versions where block_id = %s",
        block_id,
    )
    return [(version, text) for version, text in found]


def test_block_update_keeps_every_value_it_had(server: Server, client: Letta) -> None:
    block = client.blocks.create(label="x", value="one")

    client.blocks.update(block.id, value="two")
    client.blocks.update(block.id, value="two", tags=["only a tag"])
    changed = client.blocks.update(block.id, value="three", description="third")

    assert changed.value == "three"
    assert changed.tags == ["only a tag"]
    assert versions(server, block.id) == [(1, "one"), (2, "two"), (3, "three")]


def test_block_update_leaves_out_what_is_not_given(client: Letta) -> None:
    block = client.blocks.create(
        label="x", value="v", description="d", metadata={"k": 1}, template_name="t"
    )

    changed = client.blocks.update(block.id, limit=10, is_template=True)
    cleared = client.blocks.update(block.id, description=None, value=None, label=None)

    assert changed.to_dict() == block.to_dict() | {"limit": 10, "is_template": True}
    assert cleared.to_dict() == changed.to_dict() | {"description": None}


def test_block_value_over_its_limit_is_refused_with_both_numbers(
    server: Server, client: Letta
) -> None:
    block = client.blocks.create(label="x", value="1234", limit=5)

    with pytest.raises(UnprocessableEntityError, match="is 6 characters, and may be at most 5"):
        client.blocks.update(block.id, value="123456")
    with pytest.raises(UnprocessableEntityError, match="is 4 characters, and may be at most 3"):
        client.blocks.update(block.id, limit=3)
    with pytest.raises(UnprocessableEntityError, match="is 3 characters, and may be at most 2"):
        client.blocks.create(label="y", value="äöü", limit=2)
    longer = client.blocks.update(block.id, value="123456", limit=6)

    assert longer.value == "123456"
    assert versions(server, block.id) == [(1, "1234"), (2, "123456")]


def test_block_delete_takes_what_the_agent_was_told_of_it(server: Server, client: Letta) -> None:
    blocks = [{"label": "a_b", "value": "one"}, {"label": "human", "value": "Bob"}]
    agent = client.agents.create(model=MODEL, memory_blocks=blocks)
    block_id = next(block.id for block in agent.blocks if block.label == "a_b") or ""
    say = "hello [[script: say hi]]"
    client.agents.messages.create(agent.id, input=say)
    client.blocks.update(block_id, value="secret-ERASED")
    client.agents.messages.create(agent.id, input=say)
    path = f"{server.base_url}/v1/agents/{agent.id}/context"
    assert "secret-ERASED" in httpx.get(path).text

    client.blocks.delete(block_id)

    assert "secret-ERASED" not in httpx.get(path).text
    answer = client.agents.messages.create(agent.id, input=say)
    assert answer.stop_reason.stop_reason == "end_turn"
    seen = httpx.get(path).text
    assert "secret-ERASED" not in seen
    assert "Bob" in seen


def test_block_delete_takes_it_from_its_agents(client: Letta) -> None:
    agent = client.agents.create(memory_blocks=[{"label": "x", "value": ""}])
    block_id = agent.blocks[0].id or ""

    assert client.blocks.delete(block_id) is None

    assert client.agents.blocks.list(agent.id).items == []
    with pytest.raises(NotFoundError, match=block_id):
        client.blocks.retrieve(block_id)
    with pytest.raises(NotFoundError):
        client.blocks.delete(block_id)


def test_block_list_finds_by_every_filter(client: Letta) -> None:
    mark = uuid.uuid4().hex
    one = client.blocks.create(
        label=f"one_{mark}", value=f"Value {mark}", description=f"Desc {mark}", tags=[mark, "a"]
    )
    two = client.blocks.create(
        label=f"two_{mark}", value="", tags=[mark], is_template=True, template_name=mark
    )
    client.agents.create(block_ids=[two.id])
    third = client.blocks.create(label=f"x_{mark}", value="", hidden=True, project_id=mark)

    def found(**filters: Any) -> set[str]:
        return {block.id for block in client.blocks.list(**filters)} & {one.id, two.id, third.id}

    assert found(label=f"one_{mark}") == {one.id}
    assert found(label_search=f"E_{mark}".upper()) == {one.id}
    assert found(value_search=f"value {mark}") == {one.id}
    assert found(description_search=mark) == {one.id}
    assert found(tags=[mark]) == {one.id, two.id}
    assert found(tags=[mark, "a"], match_all_tags=True) == {one.id}
    assert found(templates_only=True) == {two.id}
    assert found(name=mark) == {two.id}
    assert found(tags=[mark], connected_to_agents_count_eq=[0]) == {one.id}
    assert found(tags=[mark], connected_to_agents_count_gt=0) == {two.id}
    assert found(tags=[mark], connected_to_agents_count_lt=1) == {one.id}
    assert found(project_id=mark) == set()
    assert found(project_id=mark, extra_query={"show_hidden_blocks": True}) == {third.id}
    assert found(tags=[mark], identity_id="identity-1") == set()


def test_block_list_is_oldest_first_and_pages(client: Letta) -> None:
    tag = uuid.uuid4().hex
    made = [client.blocks.create(label="x", value="", tags=[tag]).id for _ in range(5)]

    assert [block.id for block in client.blocks.list(tags=[tag], limit=2)] == made
    assert [b.id for b in client.blocks.list(tags=[tag], limit=2, order="desc")] == made[::-1]
    with pytest.raises(UnprocessableEntityError, match="before in the query: must look like"):
        client.blocks.list(before="block-1")
    with pytest.raises(UnprocessableEntityError, match="connected_to_agents_count_gt"):
        client.blocks.list(connected_to_agents_count_gt=2**31)
    unknown = new_id("block")
    with pytest.raises(UnprocessableEntityError, match=unknown):
        client.blocks.list(after=unknown)


def test_block_agents_lists_who_shares_it(client: Letta) -> None:
    block = client.blocks.create(label="shared", value="")
    agents = [client.agents.create(block_ids=[block.id]).id for _ in range(3)]

    listed = [agent.id for agent in client.blocks.agents.list(block.id, limit=2)]

    assert listed == agents[::-1]
    assert list(client.blocks.agents.list(client.blocks.create(label="y", value="").id)) == []
    with pytest.raises(NotFoundError):
        client.blocks.agents.list(new_id("block"))


def test_agent_blocks_are_read_and_changed_by_label(client: Letta) -> None:
    agent = client.agents.create(
        memory_blocks=[{"label": "human", "value": "a"}, {"label": "trips/rome", "value": "b"}]
    )

    changed = client.agents.blocks.update(
        "trips/rome", agent_id=agent.id, value="c", read_only=True
    )
    read = client.agents.blocks.retrieve("trips/rome", agent_id=agent.id)

    assert changed == read
    assert (read.value, read.read_only) == ("c", True)
    assert [b.label for b in client.agents.blocks.list(agent.id)] == ["human", "trips/rome"]
    assert [b.label for b in client.agents.blocks.list(agent.id, limit=1)] == [
        "human",
        "trips/rome",
    ]


def test_agent_block_that_is_read_only_may_be_changed_by_the_caller(client: Letta) -> None:
    agent = client.agents.create(memory_blocks=[{"label": "x", "value": "a", "read_only": True}])

    assert client.agents.blocks.update("x", agent_id=agent.id, value="b").value == "b"


def test_agent_blocks_of_nobody_are_not_found(client: Letta) -> None:
    agent = client.agents.create()
    unknown = new_id("agent")

    with pytest.raises(NotFoundError, match="no block with this label"):
        client.agents.blocks.retrieve("nothing", agent_id=agent.id)
    with pytest.raises(NotFoundError, match="block 'nothing'"):
        client.agents.blocks.update("nothing", agent_id=agent.id, value="x")
    with pytest.raises(NotFoundError, match=f"agent '{unknown}'"):
        client.agents.blocks.retrieve("human", agent_id=unknown)
    with pytest.raises(NotFoundError, match=f"agent '{unknown}'"):
        client.agents.blocks.update("human", agent_id=unknown, value="x")
    with pytest.raises(NotFoundError, match=f"agent '{unknown}'"):
        client.agents.blocks.list(unknown)


def test_attach_and_detach_may_be_repeated(client: Letta) -> None:
    agent = client.agents.create(memory_blocks=[{"label": "human", "value": ""}])
    block = client.blocks.create(label="team", value="")

    attached = [client.agents.blocks.attach(block.id, agent_id=agent.id) for _ in range(2)]
    detached = [client.agents.blocks.detach(block.id, agent_id=agent.id) for _ in range(2)]

    assert [[b.label for b in state.blocks] for state in attached] == [["human", "team"]] * 2
    assert [[b.label for b in state.blocks] for state in detached] == [["human"]] * 2
    assert client.blocks.retrieve(block.id) == block


def test_attach_of_a_label_in_use_is_a_conflict(client: Letta) -> None:
    agent = client.agents.create(memory_blocks=[{"label": "human", "value": "mine"}])
    other = client.blocks.create(label="human", value="other")

    with pytest.raises(ConflictError, match="two blocks with the label 'human'"):
        client.agents.blocks.attach(other.id, agent_id=agent.id)

    assert [block.value for block in client.agents.blocks.list(agent.id)] == ["mine"]


def test_attach_of_what_is_not_there_is_not_found(client: Letta) -> None:
    agent = client.agents.create()
    block = client.blocks.create(label="x", value="")

    with pytest.raises(NotFoundError, match="block"):
        client.agents.blocks.attach(new_id("block"), agent_id=agent.id)
    with pytest.raises(NotFoundError, match="agent"):
        client.agents.blocks.attach(block.id, agent_id=new_id("agent"))
    with pytest.raises(UnprocessableEntityError, match="block_id in the path"):
        client.agents.blocks.attach("block-1", agent_id=agent.id)


def test_rename_follows_into_every_agent_and_respects_their_labels(client: Letta) -> None:
    agent = client.agents.create(memory_blocks=[{"label": "human", "value": ""}])
    block = client.blocks.create(label="team", value="")
    client.agents.blocks.attach(block.id, agent_id=agent.id)

    client.blocks.update(block.id, label="crew")
    with pytest.raises(ConflictError, match="unique per agent"):
        client.blocks.update(block.id, label="human", value="lost?")

    assert client.agents.blocks.retrieve("crew", agent_id=agent.id).value == ""


def test_edits_at_once_are_all_kept(server: Server, client: Letta) -> None:
    block = client.blocks.create(label="x", value="0")

    def edit(number: int) -> None:
        server.client().blocks.update(block.id, value=str(number))

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kept = versions(server, block.id)
    assert [version for version, _ in kept] == list(range(1, 10))
    assert {text for _, text in kept} == {str(number) for number in range(9)}
    assert kept[-1][1] == client.blocks.retrieve(block.id).value


def test_changes_of_one_agent_at_once_are_all_kept(server: Server, client: Letta) -> None:
    agent = client.agents.create()
    blocks = [client.blocks.create(label=f"b{number}", value="").id for number in range(6)]

    def attach(block_id: str) -> None:
        server.client().agents.blocks.attach(block_id, agent_id=agent.id)

    def tag() -> None:
        server.client().agents.update(agent.id, tags=["tagged"])

    threads = [threading.Thread(target=attach, args=(block_id,)) for block_id in blocks]
    threads += [threading.Thread(target=tag) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    state = client.agents.retrieve(agent.id, include=["agent.blocks", "agent.tags"])
    assert {block.id for block in state.blocks} == set(blocks)
    assert state.tags == ["tagged"]
