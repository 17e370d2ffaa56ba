"""Agents and blocks as the statements of the catalog take them, and one read of its own.

The way back, and the parts both share, are in rows.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from remanence.core.exchange import Usage
from remanence.core.ids import RunId
from remanence.core.types import Run, RunOptions, State
from remanence.db.rows import (
    agent_from_row,
    block_from_row,
    conversation_from_row,
    counts_from_row,
    rule_to_row,
    tool_from_row,
)

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.types import Agent, Block
    from remanence.db.queries import Row


def agent_to_row(agent: Agent) -> JsonObject:
    """The columns of an agent that a caller may set."""
    completed = agent.last_run_completion
    return {
        "id": agent.id,
        "name": agent.name,
        "agent_type": agent.agent_type,
        "system": agent.system,
        "model": agent.model,
        "embedding": agent.embedding,
        "next_embedding": agent.next_embedding,
        "description": agent.description,
        "context_window_limit": agent.context_window_limit,
        "model_settings": asdict(agent.model_settings),
        "compaction_settings": asdict(agent.compaction_settings),
        "tool_rules": [rule_to_row(rule) for rule in agent.tool_rules],
        "tags": list(agent.tags),
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        "message_buffer_autoclear": agent.message_buffer_autoclear,
        "hidden": agent.hidden,
        "extras": agent.extras,
        "last_stop_reason": agent.last_stop_reason,
        "last_run_completion": None if completed is None else completed.isoformat(),
        "last_run_duration_ms": agent.last_run_duration_ms,
    }


def block_to_row(block: Block) -> JsonObject:
    """The columns of a new block."""
    return {
        "id": block.id,
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description,
        "read_only": block.read_only,
        "metadata": block.metadata,
        "tags": list(block.tags),
        "hidden": block.hidden,
        "extras": block.extras,
    }


def prompt_state_from_row(org_id: OrgId, row: Row) -> State:
    """A state without history, in a run that does not exist: to compile a prompt from."""
    view = row["view"]
    agent = agent_from_row(view["agent"])
    conversation = conversation_from_row(row["conversation"])
    run = Run(
        id=RunId(""),
        agent_id=agent.id,
        conversation_id=conversation.id,
        status="created",
        options=RunOptions(),
        background=False,
        created_at=agent.created_at,
    )
    return State(
        org_id=org_id,
        agent=agent,
        blocks=tuple(block_from_row(block) for block in view["blocks"]),
        tools=tuple(tool_from_row(tool) for tool in view["tools"]),
        conversation=conversation,
        run=run,
        step_no=1,
        window=(),
        summaries=(),
        counts=counts_from_row(row["counts"]),
        called_tools=(),
        usage=Usage(),
        fence=0,
        lease_token="",
    )
