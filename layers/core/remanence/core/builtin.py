"""The tools every organization has, and what agents of each type begin with.

Path: db seeds `BUILTIN_TOOLS`; creating an agent reads the defaults; core.calls runs the tools
(core.memory_tools, core.search_tools). Pure data. Source of the defaults: Letta 0.16.8.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from remanence.core import builtin_specs as specs
from remanence.core.types import ToolRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.core.exchange import JsonObject, ToolSpec

# Characters a block may hold when nobody says otherwise (the protocol's default).
DEFAULT_BLOCK_LIMIT_CHARS = 100_000
# Characters one call of a built-in tool may put into the context (the protocol's default).
DEFAULT_RETURN_CHAR_LIMIT = 50_000

REQUEST_HEARTBEAT = "request_heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinTool:
    """A tool that this server runs itself. `tool_type` is the protocol's name for its family."""

    name: str
    tool_type: str
    spec: ToolSpec


def _tools(tool_type: str, *of_type: ToolSpec) -> dict[str, BuiltinTool]:
    return {
        spec.name: BuiltinTool(name=spec.name, tool_type=tool_type, spec=spec) for spec in of_type
    }


BUILTIN_TOOLS: Mapping[str, BuiltinTool] = MappingProxyType(
    _tools(
        "letta_core",
        specs.SEND_MESSAGE,
        specs.CONVERSATION_SEARCH,
        specs.ARCHIVAL_MEMORY_INSERT,
        specs.ARCHIVAL_MEMORY_SEARCH,
    )
    | _tools(
        "letta_memory_core",
        specs.CORE_MEMORY_APPEND,
        specs.CORE_MEMORY_REPLACE,
        specs.MEMORY,
        specs.MEMORY_APPLY_PATCH,
    )
    | _tools(
        "letta_sleeptime_core",
        specs.MEMORY_INSERT,
        specs.MEMORY_REPLACE,
        specs.MEMORY_RETHINK,
        specs.MEMORY_FINISH_EDITS,
    )
)

_TALKS = ("conversation_search", "memory_insert", "memory_replace")
_KEEPS_MEMORY = ("memory_replace", "memory_insert", "memory_rethink", "memory_finish_edits")

# What is attached to a new agent that does not say `include_base_tools: false`. A workflow or
# react agent has only the tools it is given: it works on its input, not on memories.
DEFAULT_TOOLS_BY_AGENT_TYPE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "letta_v1_agent": _TALKS,
        "memgpt_agent": (
            "send_message",
            "conversation_search",
            "core_memory_append",
            "core_memory_replace",
        ),
        "memgpt_v2_agent": ("send_message", *_TALKS),
        "react_agent": (),
        "workflow_agent": (),
        "split_thread_agent": _TALKS,
        "sleeptime_agent": _KEEPS_MEMORY,
        "voice_convo_agent": _TALKS,
        "voice_sleeptime_agent": _KEEPS_MEMORY,
    }
)


_ENDS_A_TURN = ("send_message", "memory_finish_edits")


def _default_rules(tools: tuple[str, ...]) -> tuple[ToolRule, ...]:
    """With a tool that ends the turn: it does, and after all others the agent goes on."""
    if not any(name in _ENDS_A_TURN for name in tools):
        return ()
    return tuple(
        ToolRule(type="exit_loop" if name in _ENDS_A_TURN else "continue_loop", tool_name=name)
        for name in tools
    )


# What a new agent that does not say `include_base_tool_rules: false` starts with.
DEFAULT_RULES_BY_AGENT_TYPE: Mapping[str, tuple[ToolRule, ...]] = MappingProxyType(
    {kind: _default_rules(tools) for kind, tools in DEFAULT_TOOLS_BY_AGENT_TYPE.items()}
)

# Given to a block of this label that is created without a description.
DEFAULT_BLOCK_DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "human": "What you know about the person you talk with: name, life, likes and dislikes, "
        "plans. Keep it current, so that every conversation starts where the last one ended.",
        "persona": "Who you are: your name, manner and principles, and what you have learned about "
        "how to be of help. It keeps you the same from one conversation to the next.",
    }
)


def with_heartbeat(spec: ToolSpec) -> ToolSpec:
    """The tool as agents that go on by heartbeat see it: every call says whether to go on."""
    properties = spec.parameters.get("properties")
    required = spec.parameters.get("required")
    argument: JsonObject = {
        "type": "boolean",
        "description": "true: run me again after this call, I have more to do. "
        "false: my turn is over.",
    }
    parameters: JsonObject = {
        **spec.parameters,
        "properties": {
            **(properties if isinstance(properties, dict) else {}),
            REQUEST_HEARTBEAT: argument,
        },
        "required": [*(required if isinstance(required, list) else []), REQUEST_HEARTBEAT],
    }
    return replace(spec, parameters=parameters)
