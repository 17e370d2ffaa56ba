"""Calls of custom tools, as values: what is to be run outside of this process, and what came of it.

Path: core.calls.read_calls -> ToolRun -> (engine.lookups has the sandbox run it) -> ToolRan.
The reply that holds such a call is committed before the call runs; a crash in between leaves the
call open, and the next worker runs it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.core.exchange import JsonObject
    from remanence.core.types import Tool

# The type of a tool that has source code of its own.
CUSTOM_TOOL = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A custom tool to be run. `tool_call_id` is its idempotency key: the same in every attempt.

    `environment` holds secrets: it is filled where the tool is run, and never shown.
    """

    tool_call_id: str
    tool: Tool
    arguments: JsonObject
    org_id: str
    agent_id: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRan:
    """What a custom tool gave back; `stdout` and `stderr` are lines, cut to what is kept."""

    text: str
    status: Literal["success", "error"]
    stdout: tuple[str, ...] = ()
    stderr: tuple[str, ...] = ()
