"""Values of the catalog to test with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from support.world import new_id

from remanence.core.exchange import ModelSettings
from remanence.core.ids import AgentId, BlockId
from remanence.core.summaries import CompactionSettings
from remanence.core.types import Agent, Block


def an_agent(**fields: Any) -> Agent:
    """An agent that is not stored; `fields` override the plain ones."""
    now = datetime.now(UTC)
    plain: dict[str, Any] = {
        "id": AgentId(new_id("agent")),
        "name": "tested",
        "agent_type": "letta_v1_agent",
        "system": "You remember.",
        "model": "scripted/model",
        "embedding": None,
        "description": None,
        "context_window_limit": 16_000,
        "model_settings": ModelSettings(),
        "compaction_settings": CompactionSettings(),
        "tool_rules": (),
        "tags": (),
        "metadata": {},
        "timezone": "UTC",
        "message_buffer_autoclear": False,
        "hidden": False,
        "extras": {},
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    return Agent(**(plain | fields))


def a_block(label: str, text: str = "", **fields: Any) -> Block:
    """A block that is not stored."""
    return Block(id=BlockId(new_id("block")), label=label, value=text, limit=100, **fields)
