"""Tools, models, tags and health through the official SDK."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import NotFoundError, UnprocessableEntityError
from letta_client.types import EmbeddingModel, Model
from support.server import new_id
from support.world import value

from remanence import __version__
from remanence.api.wire.models import embedding_model_to_wire, model_to_wire
from remanence.core.builtin import BUILTIN_TOOLS
from remanence.core.exchange import EmbeddingInfo, ModelInfo

if TYPE_CHECKING:
    from letta_client import Letta
    from support.server import Server


@pytest.fixture
def client(server: Server) -> Letta:
    return server.client()


def test_tools_of_every_organization_are_the_built_in_ones(client: Letta) -> None:
    tools = list(client.tools.list(limit=3, return_only_letta_tools=True))

    assert {tool.name for tool in tools} == set(BUILTIN_TOOLS)
    assert {tool.tool_type for tool in tools} <= {
        "letta_core",
        "letta_memory_core",
        "letta_sleeptime_core",
    }
    for tool in tools:
        assert tool.json_schema is not None
        assert tool.json_schema["name"] == tool.name
        assert tool.json_schema["parameters"]
        assert tool.description
        assert tool.source_code is None


def test_tool_list_finds_by_every_filter(client: Letta) -> None:
    send = client.tools.list(name="send_message").items[0]

    def found(**filters: Any) -> set[str]:
        return {tool.name or "" for tool in client.tools.list(**filters)}

    assert client.tools.retrieve(send.id) == send
    assert found(names=["send_message", "memory"]) == {"send_message", "memory"}
    assert found(search="Y_RETH") == {"memory_rethink"}
    assert found(tool_ids=[send.id]) == {"send_message"}
    assert found(tool_types=["letta_core,letta_memory_core"], search="send") == {"send_message"}
    assert "send_message" not in found(exclude_tool_types=["letta_core"])
    assert found(return_only_letta_tools=True) == set(BUILTIN_TOOLS)
    assert found(tool_types=["custom"]) & set(BUILTIN_TOOLS) == set()
    with pytest.raises(NotFoundError):
        client.tools.retrieve(new_id("tool"))
    with pytest.raises(UnprocessableEntityError, match="tool_id in the path"):
        client.tools.retrieve("tool-1")


def test_agent_tools_are_attached_and_detached(server: Server, client: Letta) -> None:
    agent = client.agents.create(include_base_tools=False)
    send = client.tools.list(name="send_message").items[0]

    attached = [client.agents.tools.attach(send.id, agent_id=agent.id) for _ in range(2)]
    listed = [tool.name for tool in client.agents.tools.list(agent.id)]
    detached = [client.agents.tools.detach(send.id, agent_id=agent.id) for _ in range(2)]

    assert attached + detached == [None] * 4
    assert listed == ["send_message"]
    assert list(client.agents.tools.list(agent.id)) == []
    with pytest.raises(NotFoundError, match="tool"):
        client.agents.tools.attach(new_id("tool"), agent_id=agent.id)
    with pytest.raises(NotFoundError, match="agent"):
        client.agents.tools.attach(send.id, agent_id=new_id("agent"))
    with pytest.raises(NotFoundError, match="agent"):
        client.agents.tools.list(new_id("agent"))


def test_agent_tools_answer_a_caller_without_an_sdk_with_the_agent(server: Server) -> None:
    client = server.client()
    agent = client.agents.create(include_base_tools=False)
    send = client.tools.list(name="send_message").items[0]

    answer = httpx.patch(f"{server.base_url}/v1/agents/{agent.id}/tools/attach/{send.id}").json()

    assert [tool["name"] for tool in answer["tools"]] == ["send_message"]


def test_agent_tools_list_pages_by_ten(client: Letta) -> None:
    agent = client.agents.create(include_base_tools=False, tools=list(BUILTIN_TOOLS))

    first = client.agents.tools.list(agent.id)

    assert len(first.items) == 10
    assert len(list(first)) == len(BUILTIN_TOOLS)


def test_approval_is_a_rule_and_can_be_taken_back(server: Server, client: Letta) -> None:
    agent = client.agents.create()

    def rules() -> list[dict[str, Any]]:
        found = client.agents.retrieve(agent.id).tool_rules or []
        return [rule.to_dict() for rule in found]

    for _ in range(2):
        client.agents.tools.update_approval(
            "memory_insert", agent_id=agent.id, body_requires_approval=True
        )
    asked = rules()
    client.agents.tools.update_approval(
        "memory_insert", agent_id=agent.id, body_requires_approval=False
    )

    assert [(rule["type"], rule["tool_name"]) for rule in asked] == [
        ("requires_approval", "memory_insert")
    ]
    assert rules() == []
    stored = value(
        server.database.admin_uri,
        "select requires_approval from remanence.agents_tools as link"
        " join remanence.tools as tool on tool.id = link.tool_id"
        " where link.agent_id = %s and tool.name = 'memory_insert'",
        agent.id,
    )
    assert stored is False
    with pytest.raises(NotFoundError, match="send_message"):
        client.agents.tools.update_approval(
            "send_message", agent_id=agent.id, body_requires_approval=True
        )


def test_models_list_what_is_configured(client: Letta) -> None:
    models = client.models.list()

    assert [model.handle for model in models] == ["scripted/scripted"]
    assert models[0].max_context_window == models[0].context_window == 32_768
    assert client.models.list(provider_name="scripted") == models
    assert client.models.list(provider_name="openai") == []
    assert client.models.list(provider_category=["byok"]) == []
    assert client.models.embeddings.list() == []


def test_models_have_every_key_of_the_sdk_types() -> None:
    info = ModelInfo(
        handle="openai/m", model="m", provider="openai", provider_type="openai", context_window=9
    )
    embedding = EmbeddingInfo(
        handle="openai/e", model="e", provider="openai", provider_type="openai", embedding_dim=3
    )

    shown = model_to_wire(info).model_dump()
    shown_embedding = embedding_model_to_wire(embedding).model_dump()

    assert {f.alias or n for n, f in Model.model_fields.items()} - set(shown) == set()
    assert {f.alias or n for n, f in EmbeddingModel.model_fields.items()} - set(
        shown_embedding
    ) == set()


def test_tags_are_those_of_agents_and_blocks(client: Letta) -> None:
    mark = uuid.uuid4().hex
    client.agents.create(tags=[f"{mark}b", f"{mark}a"])
    client.blocks.create(label="x", value="", tags=[f"{mark}c", f"{mark}a"])

    def tags(**options: Any) -> list[str]:
        return [tag.removeprefix(mark) for tag in client.tags.list(name=mark.upper(), **options)]

    assert tags() == ["a", "b", "c"]
    assert tags(order="desc") == ["c", "b", "a"]
    assert tags(limit=1, after=f"{mark}a") == ["b"]
    assert tags(limit=1, before=f"{mark}c") == ["b"]
    assert tags(order="desc", limit=1, after=f"{mark}b") == ["a"]


def test_health_says_version_and_status(client: Letta) -> None:
    health = client.health()

    assert (health.status, health.version) == ("ok", __version__)
