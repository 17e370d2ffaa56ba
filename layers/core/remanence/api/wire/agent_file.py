"""Agent files as they are written: the newer form with several entities, and the legacy one.

Path: routes/agent_files.py -> Export -> here. Ids in a file are its own (`agent-0`, `block-0`).
Beside what the format has, a file holds the whole history and the summaries of what has left the
window, so that an imported agent knows what the exported one knew. Secrets are never in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remanence.api.wire.agent_file_messages import message_to_file
from remanence.api.wire.agents import agent_to_wire
from remanence.api.wire.loose import Json
from remanence.core.exchange import Text
from remanence.core.summaries import Summary
from remanence.core.types import Block, Message, Tool
from remanence.db.catalog_agents import AgentView

FILE_VERSION = "remanence-1"
# What both forms have of an agent under the same name.
_SHARED = (
    "agent_type",
    "name",
    "description",
    "system",
    "llm_config",
    "embedding_config",
    "tool_rules",
    "message_buffer_autoclear",
    "timezone",
)
_NEWER = (
    "model",
    "model_settings",
    "embedding",
    "compaction_settings",
    "metadata",
    "tags",
    "response_format",
    "enable_sleeptime",
    "max_files_open",
    "per_file_view_window_char_limit",
    "hidden",
    "project_id",
    "template_id",
    "base_template_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What goes into a file.

    Args:
        view: the agent with its blocks and tools.
        prompt: its compiled system prompt; None: no messages are written.
        messages: its history, oldest first.
        in_context: the ids of those in its window.
        summaries: what stands for messages before the window.
        now: when it is written.
    """

    view: AgentView
    prompt: str | None
    messages: Sequence[Message]
    in_context: frozenset[str]
    summaries: Sequence[Summary]
    now: datetime

    @property
    def written(self) -> list[Message]:
        """The messages of the file: the compiled prompt first, as the format has it."""
        if self.prompt is None:
            return []
        prompt = Message(id="", role="system", parts=(Text(text=self.prompt),), created_at=self.now)
        return [prompt, *self.messages]

    def places(self) -> list[int]:
        """The places of the messages in context among those written, the prompt included."""
        return [
            place
            for place, message in enumerate(self.written)
            if place == 0 or message.id in self.in_context
        ]


def to_file(export: Export) -> Json:
    """The newer form."""
    blocks = export.view.blocks
    return {
        "agents": [_agent(export)],
        "groups": [],
        "blocks": [_block(block, f"block-{n}") for n, block in enumerate(blocks)],
        "files": [],
        "sources": [],
        "tools": [_tool(tool, f"tool-{n}") for n, tool in enumerate(export.view.tools)],
        "mcp_servers": [],
        "skills": [],
        "metadata": {"revision_id": FILE_VERSION},
        "created_at": export.now.isoformat(),
    }


def _agent(export: Export) -> Json:
    shown = agent_to_wire(export.view).model_dump(mode="json")
    return {
        **{name: shown[name] for name in (*_SHARED, *_NEWER)},
        "id": "agent-0",
        "context_window_limit": export.view.agent.context_window_limit,
        "memory_blocks": [],
        "block_ids": [f"block-{n}" for n, _ in enumerate(export.view.blocks)],
        "tool_ids": [f"tool-{n}" for n, _ in enumerate(export.view.tools)],
        "tools": [],
        "source_ids": [],
        "identity_ids": [],
        "files_agents": [],
        "group_ids": [],
        "secrets": {},
        "tool_exec_environment_variables": {},
        "include_base_tools": False,
        "messages": [
            message_to_file(message, f"message-{n}") for n, message in enumerate(export.written)
        ],
        "in_context_message_ids": [f"message-{n}" for n in export.places()],
        "summaries": _summaries(export),
    }


def _summaries(export: Export) -> list[Json]:
    """Each names the first and last message it stands for, by their ids in the file."""
    places = {message.seq: place for place, message in enumerate(export.written)}
    return [
        {
            "from_message_id": f"message-{places[summary.from_seq]}",
            "to_message_id": f"message-{places[summary.to_seq]}",
            "text": summary.text,
            "model": summary.model,
        }
        for summary in export.summaries
        if summary.from_seq in places and summary.to_seq in places
    ]


def to_legacy_file(export: Export) -> Json:
    """The legacy form: one agent with its blocks and tools in it."""
    agent = export.view.agent
    shown = agent_to_wire(export.view).model_dump(mode="json")
    return {
        **{name: shown[name] for name in _SHARED},
        "core_memory": [_legacy_block(block) for block in export.view.blocks],
        "created_at": agent.created_at.isoformat(),
        "updated_at": agent.updated_at.isoformat(),
        "in_context_message_indices": export.places(),
        "messages": [
            message_to_file(message, f"message-{n}") for n, message in enumerate(export.written)
        ],
        "metadata_": agent.metadata,
        "multi_agent_group": None,
        "tags": list(agent.tags),
        "tool_exec_environment_variables": [],
        "tools": [_tool(tool, f"tool-{n}") for n, tool in enumerate(export.view.tools)],
        "version": FILE_VERSION,
    }


def _block(block: Block, file_id: str) -> Json:
    return {
        "id": file_id,
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description,
        "read_only": block.read_only,
        "metadata": block.metadata,
        "tags": list(block.tags),
        "hidden": block.hidden,
    }


def _legacy_block(block: Block) -> Json:
    shown = _block(block, "")
    del shown["id"]
    return shown | {"metadata_": shown.pop("metadata"), "is_template": False}


def _tool(tool: Tool, file_id: str) -> Json:
    described: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    return {
        "id": file_id,
        "name": tool.name,
        "description": tool.description,
        "tool_type": tool.tool_type,
        "source_type": "python",
        "source_code": tool.source_code,
        "json_schema": described,
        "args_json_schema": None,
        "tags": list(tool.tags),
        "return_char_limit": tool.return_char_limit,
        "default_requires_approval": tool.requires_approval,
        "metadata_": tool.metadata,
    }
