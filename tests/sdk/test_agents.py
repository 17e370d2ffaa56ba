"""Agents through the official SDK."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import APIStatusError, ConflictError, NotFoundError, UnprocessableEntityError
from letta_client.types import AgentState, EmbeddingConfig, LlmConfig, Tool
from letta_client.types.agents import Block
from support.server import MODEL, new_id
from support.world import value

if TYPE_CHECKING:
    from letta_client import Letta
    from support.server import Server

RELATIONS: Any = ["agent.blocks", "agent.tools", "agent.tags"]


@pytest.fixture
def client(server: Server) -> Letta:
    return server.client()


def a_name() -> str:
    return f"agent {uuid.uuid4().hex}"


def an_sdk_agent(client: Letta, **fields: Any) -> AgentState:
    return client.agents.create(**({"name": a_name(), "model": MODEL} | fields))


def test_create_without_anything_uses_the_defaults(client: Letta) -> None:
    agent = client.agents.create()

    assert agent.agent_type == "letta_v1_agent"
    assert agent.model == MODEL
    assert agent.embedding is None
    assert agent.embedding_config is None
    assert agent.name
    assert agent.system
    assert agent.timezone == "UTC"
    assert [tool.name for tool in agent.tools] == [
        "conversation_search",
        "memory_insert",
        "memory_replace",
    ]
    assert agent.tool_rules == []
    assert agent.blocks == []
    assert agent.message_ids == []
    assert agent.llm_config.context_window == 32_000


def test_create_makes_blocks_in_their_order(client: Letta) -> None:
    agent = an_sdk_agent(
        client,
        memory_blocks=[
            {"label": "persona", "value": "I am kind."},
            {"label": "human", "value": "Name: Ada", "limit": 5000, "read_only": True},
            {"label": "projects/rome", "value": "", "description": "Trips", "tags": ["t"]},
        ],
    )

    assert [block.label for block in agent.blocks] == ["persona", "human", "projects/rome"]
    assert [block.limit for block in agent.blocks] == [100_000, 5_000, 100_000]
    assert agent.blocks[0].description
    assert agent.blocks[1].read_only is True
    assert agent.blocks[2].tags == ["t"]
    assert agent.memory.blocks == agent.blocks


def test_create_keeps_every_field_and_reads_it_back(client: Letta) -> None:
    agent = an_sdk_agent(
        client,
        description="helps",
        system="You help.",
        tags=["b", "a"],
        metadata={"team": {"size": 2}},
        timezone="Europe/Berlin",
        message_buffer_autoclear=True,
        context_window_limit=20_000,
        embedding="openai/text-embedding-3-small",
        embedding_chunk_size=200,
        model_settings={
            "provider_type": "openai",
            "temperature": 0.0,
            "max_output_tokens": 777,
            "parallel_tool_calls": False,
            "reasoning": {"reasoning_effort": "low"},
            "response_format": {"type": "json_object"},
            "strict": True,
        },
        compaction_settings={"mode": "all", "clip_chars": 1000, "prompt": "Short."},
        project_id="project-1",
        template_id="template-1",
        max_files_open=7,
        enable_sleeptime=False,
    )
    read = client.agents.retrieve(agent.id, include=RELATIONS)

    assert read == agent
    assert read.description == "helps"
    assert read.system == "You help."
    assert read.tags == ["b", "a"]
    assert read.metadata == {"team": {"size": 2}}
    assert read.timezone == "Europe/Berlin"
    assert read.message_buffer_autoclear is True
    assert read.llm_config.context_window == 20_000
    assert read.llm_config.temperature == 0.0
    assert read.llm_config.max_tokens == 777
    assert read.embedding_config is not None
    assert read.embedding_config.embedding_chunk_size == 200
    settings = read.api_model_settings
    assert settings is not None
    assert settings.to_dict() | {"provider_type": "openai"} == {
        "provider_type": "openai",
        "temperature": 0.0,
        "max_output_tokens": 777,
        "parallel_tool_calls": False,
        "reasoning": {"reasoning_effort": "low"},
        "response_format": {"type": "json_object"},
        "strict": True,
    }
    assert read.compaction_settings is not None
    assert read.compaction_settings.mode == "all"
    assert read.compaction_settings.prompt == "Short."
    assert (read.project_id, read.template_id) == ("project-1", "template-1")
    assert read.max_files_open == 7


def test_create_takes_the_old_configs(client: Letta) -> None:
    agent = client.agents.create(
        llm_config={
            "model": "old",
            "model_endpoint_type": "openai",
            "provider_name": "scripted",
            "context_window": 8_000,
            "temperature": 0.25,
            "max_tokens": 99,
        },
        embedding_config={
            "embedding_model": "text-embedding-3-small",
            "embedding_endpoint_type": "openai",
            "embedding_dim": 1536,
        },
    )

    assert agent.model == "scripted/old"
    assert agent.llm_config.context_window == 8_000
    assert agent.llm_config.temperature == 0.25
    assert agent.llm_config.max_tokens == 99
    assert agent.embedding == "openai/text-embedding-3-small"
    assert agent.embedding_config is not None
    assert agent.embedding_config.embedding_dim == 1536


def test_create_attaches_blocks_and_tools_that_exist(client: Letta) -> None:
    shared = client.blocks.create(label="team", value="We are two.")
    search = client.tools.list(name="archival_memory_search").items[0]

    agent = an_sdk_agent(
        client,
        memory_blocks=[{"label": "human", "value": ""}],
        block_ids=[shared.id],
        include_base_tools=False,
        tools=["send_message", "send_message"],
        tool_ids=[search.id],
    )

    assert [block.label for block in agent.blocks] == ["human", "team"]
    assert agent.blocks[1].id == shared.id
    assert [tool.name for tool in agent.tools] == ["send_message", "archival_memory_search"]


def test_create_of_a_memgpt_agent_has_its_tools_and_rules(client: Letta) -> None:
    agent = an_sdk_agent(client, agent_type="memgpt_agent")

    names = [tool.name for tool in agent.tools]
    assert "send_message" in names
    assert {rule.type for rule in agent.tool_rules or ()} == {"exit_loop", "continue_loop"}


def test_create_starts_with_the_given_messages(client: Letta) -> None:
    agent = an_sdk_agent(
        client,
        initial_message_sequence=[
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
        ],
    )

    assert len(agent.message_ids or ()) == 2
    assert client.agents.retrieve(agent.id).message_ids == agent.message_ids


def test_create_gives_every_key_of_the_sdk_types(client: Letta) -> None:
    agent = an_sdk_agent(
        client, embedding="openai/x", memory_blocks=[{"label": "human", "value": ""}]
    )

    raw = client.get(f"/v1/agents/{agent.id}", cast_to=object, options=_including(RELATIONS))

    assert isinstance(raw, dict)
    assert _missing(AgentState, raw) == set()
    assert _missing(Block, raw["blocks"][0]) == set()
    assert _missing(Tool, raw["tools"][0]) == set()
    assert _missing(LlmConfig, raw["llm_config"]) == set()
    assert _missing(EmbeddingConfig, raw["embedding_config"]) == set()
    assert raw["created_at"].endswith("Z")


def _including(relations: list[str]) -> Any:
    return {"params": {"include": relations}}


def _missing(sdk_type: Any, shown: dict[str, Any]) -> set[str]:
    return {field.alias or name for name, field in sdk_type.model_fields.items()} - set(shown)


def test_retrieve_fills_only_the_relations_that_are_asked_for(client: Letta) -> None:
    agent = an_sdk_agent(client, tags=["x"], memory_blocks=[{"label": "human", "value": "v"}])

    bare = client.agents.retrieve(agent.id)
    with_blocks = client.agents.retrieve(agent.id, include=["agent.blocks"])

    assert (bare.blocks, bare.tools, bare.tags, bare.memory.blocks) == ([], [], [], [])
    assert [block.value for block in with_blocks.blocks] == ["v"]
    assert with_blocks.tools == []


def test_retrieve_without_an_sdk_shows_all_relations(server: Server) -> None:
    agent = an_sdk_agent(server.client(), memory_blocks=[{"label": "human", "value": "v"}])

    shown = httpx.get(f"{server.base_url}/v1/agents/{agent.id}").json()

    assert [block["value"] for block in shown["blocks"]] == ["v"]
    assert shown["tools"]


def test_list_finds_by_every_filter(client: Letta) -> None:
    mark = uuid.uuid4().hex
    first = an_sdk_agent(client, name=f"One {mark}", tags=[f"a{mark}", f"b{mark}"])
    second = an_sdk_agent(client, name=f"Two {mark}", tags=[f"b{mark}"], project_id=mark)
    client.agents.update(first.id, last_stop_reason="end_turn", base_template_id=mark)

    def found(**filters: Any) -> set[str]:
        return {agent.id for agent in client.agents.list(**filters)} & {first.id, second.id}

    assert found(name=f"One {mark}") == {first.id}
    assert found(query_text=f"ne {mark}".upper()) == {first.id}
    assert found(tags=[f"a{mark}", f"b{mark}"]) == {first.id, second.id}
    assert found(tags=[f"a{mark}", f"b{mark}"], match_all_tags=True) == {first.id}
    assert found(project_id=mark) == {second.id}
    assert found(base_template_id=mark) == {first.id}
    assert found(query_text=mark, last_stop_reason="end_turn") == {first.id}
    assert found(query_text=mark, identity_id="identity-1") == set()
    assert found(query_text=mark, created_by_id="user-nobody") == set()


def test_list_shows_hidden_agents_only_on_demand(client: Letta) -> None:
    name = a_name()
    hidden = an_sdk_agent(client, name=name, hidden=True)

    shown = client.agents.list(name=name).items
    on_demand = client.agents.list(name=name, extra_query={"show_hidden_agents": True}).items

    assert shown == []
    assert [agent.id for agent in on_demand] == [hidden.id]


def test_list_pages_through_everything_in_both_orders(client: Letta) -> None:
    tag = uuid.uuid4().hex
    made = [an_sdk_agent(client, tags=[tag]).id for _ in range(5)]

    newest_first = [agent.id for agent in client.agents.list(tags=[tag], limit=2)]
    oldest_first = [agent.id for agent in client.agents.list(tags=[tag], limit=2, order="asc")]

    assert newest_first == made[::-1]
    assert oldest_first == made


def test_list_before_gives_what_comes_directly_before(client: Letta) -> None:
    tag = uuid.uuid4().hex
    made = [an_sdk_agent(client, tags=[tag]).id for _ in range(5)]

    page = client.agents.list(tags=[tag], limit=2, order="asc", before=made[4])
    between = client.agents.list(tags=[tag], order="asc", after=made[0], before=made[3])

    assert [agent.id for agent in page.items] == made[2:4]
    assert [agent.id for agent in page.get_next_page().items] == made[0:2]
    assert [agent.id for agent in between.items] == made[1:3]


def test_list_sorts_by_last_change_and_by_last_run(client: Letta) -> None:
    tag = uuid.uuid4().hex
    old, middle, new = [an_sdk_agent(client, tags=[tag]).id for _ in range(3)]
    client.agents.update(old, last_run_completion="2026-01-02T00:00:00Z")
    client.agents.update(middle, last_run_completion="2026-01-01T00:00:00Z")

    def order_of(**options: Any) -> list[str]:
        return [agent.id for agent in client.agents.list(tags=[tag], limit=1, **options)]

    assert order_of(order_by="updated_at") == [middle, old, new]
    assert order_of(order_by="last_run_completion") == [old, middle, new]
    assert order_of(order_by="last_run_completion", order="asc") == [middle, old, new]
    assert order_of(sort_by="last_run_completion", ascending=True) == [middle, old, new]


def test_list_with_an_unknown_cursor_names_it(client: Letta) -> None:
    unknown = new_id("agent")

    with pytest.raises(UnprocessableEntityError, match=unknown):
        client.agents.list(after=unknown)


def test_list_refuses_what_it_cannot_sort_by(client: Letta) -> None:
    with pytest.raises(UnprocessableEntityError, match="order_by in the query"):
        client.agents.list(extra_query={"order_by": "name"})
    with pytest.raises(UnprocessableEntityError, match="order in the query"):
        client.agents.list(extra_query={"order": "up"})
    with pytest.raises(UnprocessableEntityError, match="limit in the query"):
        client.agents.list(limit=0)


def test_update_changes_what_is_given_and_leaves_the_rest(server: Server, client: Letta) -> None:
    agent = an_sdk_agent(
        client,
        description="old",
        tags=["a"],
        metadata={"k": 1},
        model_settings={"provider_type": "openai", "temperature": 0.5, "max_output_tokens": 100},
        memory_blocks=[{"label": "human", "value": "v"}],
    )
    version = _version(server, agent.id)

    changed = client.agents.update(
        agent.id,
        name="new name",
        system="You are new.",
        model_settings={"provider_type": "openai", "temperature": 0.1},
        compaction_settings={"sliding_window_percentage": 0.5},
    )

    assert changed.name == "new name"
    assert changed.system == "You are new."
    assert changed.description == "old"
    assert changed.tags == ["a"]
    assert changed.metadata == {"k": 1}
    assert changed.llm_config.temperature == 0.1
    assert changed.llm_config.max_tokens == 100
    assert changed.compaction_settings is not None
    assert changed.compaction_settings.mode == "sliding_window"
    assert changed.compaction_settings.sliding_window_percentage == 0.5
    assert [block.value for block in changed.blocks] == ["v"]
    assert len(changed.tools) == 3
    assert _version(server, agent.id) == version + 1


def _version(server: Server, agent_id: str) -> int:
    found = value(
        server.database.admin_uri, "select version from remanence.agents where id = %s", agent_id
    )
    assert isinstance(found, int)
    return found


def test_update_clears_what_may_be_empty_and_ignores_other_nulls(client: Letta) -> None:
    agent = an_sdk_agent(client, description="old", embedding="openai/x", tags=["a"])

    changed = client.agents.update(
        agent.id, description=None, embedding=None, name=None, tags=None, system=None
    )

    assert changed.description is None
    assert changed.embedding is None
    assert changed.name == agent.name
    assert changed.tags == ["a"]
    assert changed.system == agent.system


def test_update_replaces_blocks_and_tools(client: Letta) -> None:
    agent = an_sdk_agent(client, memory_blocks=[{"label": "human", "value": "v"}])
    other = client.blocks.create(label="human", value="w")
    tool = client.tools.list(name="archival_memory_insert").items[0]

    changed = client.agents.update(agent.id, block_ids=[other.id], tool_ids=[tool.id])

    assert [block.id for block in changed.blocks] == [other.id]
    assert [found.name for found in changed.tools] == ["archival_memory_insert"]
    assert client.blocks.retrieve(agent.blocks[0].id or "").value == "v"


def test_update_to_a_smaller_model_lowers_the_window(client: Letta) -> None:
    agent = an_sdk_agent(client)

    changed = client.agents.update(agent.id, context_window_limit=16_000)
    unchanged = client.agents.update(agent.id, model="scripted/other")

    assert changed.llm_config.context_window == 16_000
    assert unchanged.model == "scripted/other"
    assert unchanged.llm_config.context_window == 16_000


def test_delete_takes_history_and_leaves_blocks(server: Server, client: Letta) -> None:
    agent = an_sdk_agent(
        client,
        memory_blocks=[{"label": "human", "value": "v"}],
        initial_message_sequence=[{"role": "user", "content": "hello"}],
    )

    answer = client.agents.delete(agent.id)

    assert answer == {"message": f"Agent id={agent.id} successfully deleted"}
    with pytest.raises(NotFoundError):
        client.agents.retrieve(agent.id)
    left = value(
        server.database.admin_uri,
        "select count(*) from remanence.messages where agent_id = %s",
        agent.id,
    )
    assert left == 0
    assert client.blocks.retrieve(agent.blocks[0].id or "").value == "v"


def test_recompile_gives_the_prompt_of_the_next_step(client: Letta) -> None:
    agent = an_sdk_agent(
        client, system="You are a test.", memory_blocks=[{"label": "human", "value": "Name: Ada"}]
    )

    # The protocol's answer is a JSON text, which the Python SDK hands on as it came.
    before = json.loads(client.agents.recompile(agent.id, dry_run=True))
    client.agents.blocks.update("human", agent_id=agent.id, value="Name: Grace")
    after = json.loads(client.agents.recompile(agent.id))

    assert before.startswith("You are a test.")
    assert "Name: Ada" in before
    assert "Name: Grace" in after
    assert agent.id in after


REFUSALS = [
    pytest.param({"model": "no/such"}, NotFoundError, "no/such", id="unknown model"),
    pytest.param({"model": "noslash"}, UnprocessableEntityError, "provider/model", id="no slash"),
    pytest.param({"embedding": "no/such"}, NotFoundError, "no/such", id="unknown embedding"),
    pytest.param({"tools": ["no_such_tool"]}, NotFoundError, "no_such_tool", id="unknown tool"),
    pytest.param(
        {"tool_ids": [f"tool-{uuid.uuid4()}"]}, NotFoundError, "tool", id="unknown tool id"
    ),
    pytest.param({"tool_ids": ["nonsense"]}, UnprocessableEntityError, "tool_ids", id="bad id"),
    pytest.param(
        {"block_ids": [f"block-{uuid.uuid4()}"]}, NotFoundError, "block", id="unknown block"
    ),
    pytest.param(
        {"memory_blocks": [{"label": "a", "value": ""}, {"label": "a", "value": ""}]},
        ConflictError,
        "unique per agent",
        id="label twice",
    ),
    pytest.param(
        {"memory_blocks": [{"label": "a", "value": "12345", "limit": 4}]},
        UnprocessableEntityError,
        "5 characters, and may be at most 4",
        id="value over its limit",
    ),
    pytest.param(
        {"memory_blocks": [{"label": "two words", "value": ""}]},
        UnprocessableEntityError,
        r"memory_blocks\[0\].label",
        id="label",
    ),
    pytest.param(
        {"memory_blocks": [{"label": "a", "value": "", "limit": "much"}]},
        UnprocessableEntityError,
        r"memory_blocks\[0\].limit: ",
        id="wrong type",
    ),
    pytest.param(
        {"context_window_limit": 10_000_000}, UnprocessableEntityError, "tokens", id="window"
    ),
    pytest.param(
        {"description": "x", "tags": ["t" * 201]},
        UnprocessableEntityError,
        r"tags\[0\]",
        id="long tag",
    ),
    pytest.param({"timezone": "Mars/Olympus"}, UnprocessableEntityError, "timezone", id="zone"),
    pytest.param({"agent_type": "robot"}, UnprocessableEntityError, "agent_type", id="type"),
    pytest.param(
        {"tool_rules": [{"type": "exit_loop", "tool_name": "no_such_tool"}]},
        UnprocessableEntityError,
        "tool_rules: exit_loop names the tool 'no_such_tool'",
        id="rule of a tool it has not",
    ),
    pytest.param(
        {"tool_rules": [{"type": "sometimes", "tool_name": "memory_insert"}]},
        UnprocessableEntityError,
        r"tool_rules\[0\]",
        id="unknown rule",
    ),
    pytest.param(
        {"secrets": {"NO NAME": "s3cret"}}, UnprocessableEntityError, "secrets", id="secrets"
    ),
    pytest.param({"folder_ids": ["source-1"]}, APIStatusError, "folders", id="folders"),
]


@pytest.mark.parametrize(("fields", "error", "says"), REFUSALS)
def test_create_that_is_refused_makes_nothing(
    client: Letta, fields: dict[str, Any], error: type[APIStatusError], says: str
) -> None:
    name = a_name()

    with pytest.raises(error, match=says) as refused:
        an_sdk_agent(client, name=name, **fields)

    assert "detail" in _body(refused.value)
    assert "s3cret" not in str(refused.value)
    assert client.agents.list(name=name).items == []
    assert client.blocks.list(label="a", value_search="12345").items == []


def _body(error: APIStatusError) -> dict[str, Any]:
    assert isinstance(error.body, dict)
    return error.body


OF_CREATE_ONLY = {"memory_blocks", "tools", "agent_type"}


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [case for case in REFUSALS if not OF_CREATE_ONLY & set(case.values[0])],
)
def test_update_that_is_refused_changes_nothing(
    client: Letta, fields: dict[str, Any], error: type[APIStatusError], says: str
) -> None:
    agent = an_sdk_agent(client)

    with pytest.raises(error, match=says):
        client.agents.update(agent.id, name="changed", **fields)

    assert client.agents.retrieve(agent.id, include=RELATIONS) == agent


def test_create_with_a_name_of_any_script_and_length(client: Letta) -> None:
    longest = "漢" * 500

    agent = an_sdk_agent(client, name=longest, tags=["漢" * 200])

    assert client.agents.list(name=longest).items[0].id == agent.id
    with pytest.raises(UnprocessableEntityError, match="name: "):
        an_sdk_agent(client, name=longest + "x")


def test_agents_that_are_unknown_or_malformed(client: Letta) -> None:
    unknown = new_id("agent")

    for call in (client.agents.retrieve, client.agents.delete, client.agents.recompile):
        with pytest.raises(NotFoundError, match=f"agent '{unknown}' does not exist"):
            call(unknown)
        with pytest.raises(UnprocessableEntityError, match="agent_id in the path: must look like"):
            call("agent-1")
    with pytest.raises(NotFoundError):
        client.agents.update(unknown, name="x")


def test_refusals_that_a_retry_cannot_mend_say_so(server: Server) -> None:
    agent = an_sdk_agent(server.client())

    not_served = httpx.patch(
        f"{server.base_url}/v1/agents/{agent.id}",
        json={"folder_ids": ["s3cret"], "secrets": {"KEY": "s3cret"}},
    )

    assert not_served.status_code == 501
    assert not_served.headers["x-should-retry"] == "false"
    assert "s3cret" not in not_served.text
