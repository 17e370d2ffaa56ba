"""The built-in tools have the names, arguments and types of the protocol."""

from __future__ import annotations

import pytest

from remanence.core.builtin import (
    BUILTIN_TOOLS,
    DEFAULT_BLOCK_DESCRIPTIONS,
    DEFAULT_RULES_BY_AGENT_TYPE,
    DEFAULT_TOOLS_BY_AGENT_TYPE,
    with_heartbeat,
)
from remanence.core.calls import LOOKUP_TOOLS
from remanence.core.memory_tools import MEMORY_TOOLS

# As the retired server stored them: type, then arguments; required ones are marked with *.
CONTRACT = {
    "send_message": ("letta_core", {"message*": "string"}),
    "conversation_search": (
        "letta_core",
        {
            "query": "string",
            "roles": "array",
            "limit": "integer",
            "start_date": "string",
            "end_date": "string",
            "expand": "string",  # ours, optional
        },
    ),
    "archival_memory_insert": ("letta_core", {"content*": "string", "tags": "array"}),
    "archival_memory_search": (
        "letta_core",
        {
            "query*": "string",
            "tags": "array",
            "tag_match_mode": "string",
            "top_k": "integer",
            "start_datetime": "string",
            "end_datetime": "string",
            "as_of": "string",  # ours, optional
        },
    ),
    "core_memory_append": ("letta_memory_core", {"label*": "string", "content*": "string"}),
    "core_memory_replace": (
        "letta_memory_core",
        {"label*": "string", "old_content*": "string", "new_content*": "string"},
    ),
    "memory": (
        "letta_memory_core",
        {
            "command*": "string",
            "path": "string",
            "file_text": "string",
            "description": "string",
            "old_string": "string",
            "new_string": "string",
            "insert_line": "integer",
            "insert_text": "string",
            "old_path": "string",
            "new_path": "string",
        },
    ),
    "memory_apply_patch": ("letta_memory_core", {"label*": "string", "patch*": "string"}),
    "memory_insert": (
        "letta_sleeptime_core",
        {"label*": "string", "new_string*": "string", "insert_line": "integer"},
    ),
    "memory_replace": (
        "letta_sleeptime_core",
        {"label*": "string", "old_string*": "string", "new_string*": "string"},
    ),
    "memory_rethink": ("letta_sleeptime_core", {"label*": "string", "new_memory*": "string"}),
    "memory_finish_edits": ("letta_sleeptime_core", {}),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_builtin_tool_is_as_in_the_protocol(name: str) -> None:
    tool = BUILTIN_TOOLS[name]
    properties = tool.spec.parameters["properties"]
    required = tool.spec.parameters["required"]
    assert isinstance(properties, dict)
    assert isinstance(required, list)

    found = {
        f"{argument}{'*' if argument in required else ''}": schema["type"]
        for argument, schema in properties.items()
        if isinstance(schema, dict)
    }

    assert (tool.tool_type, found) == CONTRACT[name]
    assert tool.name == tool.spec.name == name


def test_builtin_tools_are_those_of_the_protocol_and_each_can_be_run() -> None:
    assert set(BUILTIN_TOOLS) == set(CONTRACT)
    assert set(BUILTIN_TOOLS) == MEMORY_TOOLS | LOOKUP_TOOLS | {"send_message"}


def test_builtin_tools_and_their_arguments_are_described() -> None:
    for tool in BUILTIN_TOOLS.values():
        properties = tool.spec.parameters["properties"]
        assert isinstance(properties, dict)
        assert len(tool.spec.description) > 40
        for schema in properties.values():
            assert isinstance(schema, dict)
            assert schema["description"]


def test_default_tools_and_rules_name_built_in_tools() -> None:
    assert set(DEFAULT_RULES_BY_AGENT_TYPE) == set(DEFAULT_TOOLS_BY_AGENT_TYPE)
    for agent_type, names in DEFAULT_TOOLS_BY_AGENT_TYPE.items():
        rules = DEFAULT_RULES_BY_AGENT_TYPE[agent_type]
        assert set(names) <= set(BUILTIN_TOOLS)
        assert {rule.tool_name for rule in rules} in (set(), set(names))


def test_default_agent_has_three_tools_and_no_rules() -> None:
    assert set(DEFAULT_TOOLS_BY_AGENT_TYPE["letta_v1_agent"]) == {
        "conversation_search",
        "memory_insert",
        "memory_replace",
    }
    assert DEFAULT_RULES_BY_AGENT_TYPE["letta_v1_agent"] == ()


def test_memgpt_agent_ends_its_turn_with_send_message_and_goes_on_after_the_rest() -> None:
    rules = {rule.tool_name: rule.type for rule in DEFAULT_RULES_BY_AGENT_TYPE["memgpt_agent"]}

    assert rules == {
        "send_message": "exit_loop",
        "conversation_search": "continue_loop",
        "core_memory_append": "continue_loop",
        "core_memory_replace": "continue_loop",
    }


def test_default_block_descriptions_are_there_for_human_and_persona() -> None:
    assert set(DEFAULT_BLOCK_DESCRIPTIONS) == {"human", "persona"}


def test_with_heartbeat_adds_one_required_argument_and_changes_nothing_else() -> None:
    spec = BUILTIN_TOOLS["memory_insert"].spec

    changed = with_heartbeat(spec)

    assert changed.parameters["required"] == ["label", "new_string", "request_heartbeat"]
    properties = changed.parameters["properties"]
    assert isinstance(properties, dict)
    assert list(properties) == ["label", "new_string", "insert_line", "request_heartbeat"]
    assert spec.parameters["required"] == ["label", "new_string"]
    assert (changed.name, changed.description) == (spec.name, spec.description)
