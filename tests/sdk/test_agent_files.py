"""Agents written to files and made again from them, through the official SDK."""

from __future__ import annotations

import json
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

RULES: list[Any] = [
    {"type": "max_count_per_step", "tool_name": "memory_insert", "max_count_limit": 2}
]
SOURCE = "def dice(sides: int) -> int:\n    return sides\n"


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    made = client.agents.create(
        name=uuid.uuid4().hex,
        model=MODEL,
        description="Remembers",
        system="You are kind.",
        tags=["t"],
        metadata={"k": 1},
        timezone="Europe/Paris",
        context_window_limit=9_000,
        model_settings={"provider_type": "openai", "temperature": 0.5},
        tool_rules=RULES,
        memory_blocks=[
            {"label": "human", "value": "Name: Bob", "limit": 500},
            {"label": "persona", "value": "I am kind", "read_only": True},
        ],
    )
    edit = 'call memory_insert {"label": "human", "new_string": "Likes tea"}'
    client.agents.messages.create(made.id, input=f"go [[script: {edit}]] [[then: say done]]")
    for n in range(4):
        client.agents.messages.create(made.id, input=f"q{n} of trains [[script: say answer {n}]]")
    return made


def take_in(client: Letta, document: Any, **options: Any) -> tuple[AgentState, list[str]]:
    """The one agent of a file, and what was mended."""
    text = document if isinstance(document, str) else json.dumps(document)
    answer = client.agents.import_file(file=("agent.af", text.encode()), **options)
    (agent_id,) = answer.agent_ids
    include: list[Any] = ["agent.blocks", "agent.tools", "agent.tags"]
    return client.agents.retrieve(agent_id, include=include), list(answer.repairs)


def history(client: Letta, agent_id: str) -> list[tuple[str, str]]:
    def words(message: Any) -> str:
        for name in ("content", "tool_return", "reasoning", "summary"):
            if getattr(message, name, None) is not None:
                return str(getattr(message, name))
        return str(getattr(message, "tool_call", ""))

    page = client.agents.messages.list(agent_id, limit=100, order="asc")
    return [(message.message_type, words(message)) for message in page.items]


@pytest.mark.parametrize("legacy", [False, True])
def test_exported_agent_comes_back_the_same(client: Letta, agent: AgentState, legacy: bool) -> None:
    before = client.agents.retrieve(agent.id, include=["agent.blocks", "agent.tools", "agent.tags"])
    text = client.agents.export_file(agent.id, use_legacy_format=legacy)
    after, repairs = take_in(client, text)

    assert repairs == []
    assert after.id != before.id
    for name in (
        "name",
        "description",
        "system",
        "agent_type",
        "tags",
        "metadata",
        "timezone",
        "model",
        "llm_config",
        "tool_rules",
        "embedding",
    ):
        assert getattr(after, name) == getattr(before, name), name
    if not legacy:
        assert after.api_model_settings == before.api_model_settings
    assert [(b.label, b.value, b.limit, b.read_only) for b in after.blocks] == [
        (b.label, b.value, b.limit, b.read_only) for b in before.blocks
    ]
    assert [tool.name for tool in after.tools] == [tool.name for tool in before.tools]
    assert history(client, after.id) == history(client, before.id)
    assert len(after.message_ids or []) == len(before.message_ids or [])
    answer = client.agents.messages.create(after.id, input="go on [[script: say Sure]]")
    assert [message.message_type for message in answer.messages] == ["assistant_message"]


def test_window_and_summaries_are_carried(server: Server, client: Letta, agent: AgentState) -> None:
    done = client.agents.messages.compact(agent.id, compaction_settings={"mode": "all"})
    after, repairs = take_in(client, client.agents.export_file(agent.id))

    before = client.agents.retrieve(agent.id)
    assert repairs == []
    assert len(after.message_ids or []) == len(before.message_ids or [])
    assert history(client, after.id) == history(client, agent.id)
    client.agents.messages.create(after.id, input="go on [[script: say Sure]]")
    assert done.summary.splitlines()[-1] in str(server.scripted.requests[-1].turns)


def test_reading_history_for_facts_is_not_switched_on_by_a_file(client: Letta) -> None:
    reader = client.agents.create(
        name=uuid.uuid4().hex,
        model=MODEL,
        compaction_settings={"mode": "all", "archive_facts": True},  # type: ignore[typeddict-unknown-key]
    )

    after, repairs = take_in(client, client.agents.export_file(reader.id))

    settings = client.agents.retrieve(after.id).compaction_settings
    assert settings is not None
    assert settings.mode == "all"
    assert settings.to_dict().get("archive_facts") is not True
    assert any("archive_facts is off" in repair for repair in repairs)


def test_export_without_messages_has_none(client: Letta, agent: AgentState) -> None:
    document = json.loads(client.agents.export_file(agent.id, scrub_messages=True))

    assert document["agents"][0]["messages"] == []
    after, _ = take_in(client, document)
    assert history(client, after.id) == []
    with pytest.raises(NotFoundError):
        client.agents.export_file(new_id("agent"))


def test_export_of_a_conversation_has_its_messages(client: Letta, agent: AgentState) -> None:
    named = client.conversations.create(agent_id=agent.id).id
    list(client.conversations.messages.create(named, input="apart [[script: say yes]]"))

    after, _ = take_in(client, client.agents.export_file(agent.id, conversation_id=named))

    assert [words[:5] for _, words in history(client, after.id)] == ["apart", "yes"]


def test_form_fields_override_the_file(client: Letta, agent: AgentState) -> None:
    text = client.agents.export_file(agent.id)

    after, _ = take_in(
        client,
        text,
        name="Other",
        append_copy_suffix=True,
        model="scripted/other",
        embedding="openai/small",
        strip_messages=True,
    )

    assert (after.name, after.model, after.embedding) == (
        "Other_copy",
        "scripted/other",
        "openai/small",
    )
    assert history(client, after.id) == []


def test_custom_tools_come_with_the_file(client: Letta, agent: AgentState) -> None:
    name = f"dice_{uuid.uuid4().hex[:8]}"
    document = json.loads(client.agents.export_file(agent.id))
    custom = {
        "id": "tool-9",
        "name": name,
        "tool_type": "custom",
        "description": "Roll.",
        "source_code": SOURCE.replace("dice", name),
        "json_schema": {"name": name, "parameters": {"type": "object", "properties": {}}},
        "tags": ["games"],
    }
    document["tools"].append(custom)
    document["agents"][0]["tool_ids"].append("tool-9")

    after, repairs = take_in(client, document)
    custom["description"] = "Throw."
    take_in(client, document, override_existing_tools=False)
    kept = client.tools.list(name=name).items[0].description
    take_in(client, document)

    assert repairs == []
    assert name in [tool.name for tool in after.tools]
    assert kept == "Roll."
    assert client.tools.list(name=name).items[0].description == "Throw."


def broken_file(document: Any) -> Any:
    """The file with everything that was seen to be broken in real ones."""
    agent = document["agents"][0]
    agent["in_context_message_ids"] += ["message-999"]
    agent["messages"] += [
        {"id": "message-800", "role": "assistant", "content": [], "tool_calls": []},
        {"id": "message-801", "role": "martian", "content": "hello"},
        agent["messages"][1],
        {
            "id": "message-802",
            "role": "assistant",
            "content": [],
            "tool_calls": [{"id": "c9", "function": {"name": "memory_insert", "arguments": "{"}}],
        },
        {"id": "message-803", "role": "tool", "tool_call_id": "c0", "content": "stray"},
        {
            "id": "message-804",
            "role": "user",
            "content": [{"type": "text", "text": '{"type": "user_message", "message": "packed"}'}],
        },
        {
            "id": "message-805",
            "role": "approval",
            "tool_calls": [{"id": "c10", "function": {"name": "memory_insert", "arguments": "{}"}}],
        },
    ]
    agent["secrets"] = {"KEY": "x"}
    agent["tool_rules"] += [
        {"type": "nonsense", "tool_name": "x"},
        {"type": "exit_loop", "tool_name": "gone"},
    ]
    agent["agent_type"] = "no_such_type"
    agent["model"], agent["llm_config"] = "nobody/none", None
    agent["block_ids"] += ["block-77", "block-5"]
    document["blocks"] += [{"id": "block-5", "label": "human", "value": "x" * 30, "limit": 20}]
    document["tools"] += [{"id": "tool-7", "name": "open_files", "tool_type": "letta_files_core"}]
    agent["tool_ids"] += ["tool-7"]
    return document


def test_broken_file_is_mended_and_the_agent_answers(client: Letta, agent: AgentState) -> None:
    document = broken_file(json.loads(client.agents.export_file(agent.id)))

    after, repairs = take_in(client, document)

    said = "\n".join(repairs)
    for what in (
        "'message-999' of the context is not in the file",
        "an empty assistant message",
        "unknown role 'martian'",
        "twice",
        "secrets are not imported",
        "'nonsense'",
        "rule of the tool 'gone'",
        "agent_type was left out",
        "the model is 'scripted/model'",
        "'block-77' is not in the file",
        "raised to the 30 characters",
        "second block 'human' became 'human_2'",
        "tool 'open_files' was left out",
    ):
        assert what in said, what
    assert len(repairs) == 13
    assert [block.label for block in after.blocks] == ["human", "persona", "human_2"]
    assert ("user_message", "packed") in history(client, after.id)
    answer = client.agents.messages.create(after.id, input="and now? [[script: say Fine]]")
    assert answer.messages[-1].content == "Fine"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"agents": []}', '{"agents": [1]}', '{"name": "x"}']
)
def test_what_is_no_agent_file_is_refused(client: Letta, text: str) -> None:
    with pytest.raises(UnprocessableEntityError, match="file"):
        client.agents.import_file(file=("x.af", text.encode()))


def test_form_that_cannot_be_followed_makes_nothing(client: Letta, agent: AgentState) -> None:
    text = client.agents.export_file(agent.id).encode()
    name = uuid.uuid4().hex

    with pytest.raises(UnprocessableEntityError, match="secrets"):
        client.agents.import_file(file=("x.af", text), name=name, secrets='["KEY"]')
    with pytest.raises(NotFoundError):
        client.agents.import_file(file=("x.af", text), name=name, model="nobody/none")

    assert client.agents.list(name=name).items == []


def test_import_that_is_no_form_is_refused(server: Server) -> None:
    answer = httpx.post(f"{server.base_url}/v1/agents/import", json={"file": "x"})

    assert answer.status_code == 422
    assert "multipart/form-data" in answer.json()["detail"]
