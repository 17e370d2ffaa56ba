"""Agents as the protocol shows them.

Path: db/catalog_agents.AgentView -> agent_to_wire -> answer. What callers send is read in
wire/agent_fields.py.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.api.wire.blocks import BlockState, block_to_wire
from remanence.api.wire.identities import IdentityState, identity_to_wire
from remanence.api.wire.messages import request_to_wire
from remanence.api.wire.models import (
    EmbeddingConfig,
    LlmConfig,
    embedding_config_of,
    llm_config_of,
    settings_to_wire,
)
from remanence.api.wire.tools import ToolState, rule_to_wire, tool_to_wire
from remanence.core.exchange import JsonObject
from remanence.core.ids import DEFAULT_USER_ID
from remanence.core.types import Agent
from remanence.db.catalog_agents import AgentView


class Memory(BaseModel):
    """The blocks of an agent (the protocol's old form of `blocks`)."""

    blocks: list[BlockState]
    file_blocks: list[Any] = []
    agent_type: str
    git_enabled: bool = False
    prompt_template: str = ""


class SecretState(BaseModel):
    """A secret of an agent: that there is one, never what it is."""

    agent_id: str
    key: str = Field(description="The name of the environment variable.")
    value: Literal[""] = Field(default="", description="Always empty: it is not shown.")
    created_at: datetime
    updated_at: datetime


class AgentState(BaseModel):
    """An agent: its configuration and what belongs to it."""

    id: str = Field(description="The agent's id.")
    name: str = Field(description="Need not be unique.")
    agent_type: str = Field(description="How it runs.")
    system: str = Field(description="The system prompt's own part.")
    description: str | None = Field(description="What the agent is for.")
    metadata: dict[str, Any] = Field(description="The caller's own.")
    tags: list[str] = Field(description="To find it by; a relation.")
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When it was last changed.")
    created_by_id: str | None = DEFAULT_USER_ID
    last_updated_by_id: str | None = DEFAULT_USER_ID
    model: str = Field(description="provider/model.")
    embedding: str | None = Field(description="provider/model; null: searched by words only.")
    embedding_in_use: str | None = Field(
        description="Another one than `embedding` until the vectors of that one are made."
    )
    model_settings: dict[str, Any] = Field(description="null in it: the provider's default.")
    llm_config: LlmConfig = Field(description="The old form of `model` and `model_settings`.")
    embedding_config: EmbeddingConfig | None = Field(description="The old form of `embedding`.")
    compaction_settings: dict[str, Any] = Field(description="How its history is compacted.")
    memory: Memory = Field(description="The old form of `blocks`; a relation.")
    blocks: list[BlockState] = Field(description="Its core memory, in order; a relation.")
    tools: list[ToolState] = Field(description="What it may call, in order; a relation.")
    tool_rules: list[dict[str, Any]] = Field(description="Constraints on the order of calls.")
    sources: list[Any] = Field(default=[], description="Always empty.")
    message_ids: list[str] = Field(description="The newest 500 messages in context, in order.")
    secrets: list[SecretState] = Field(description="Environment of its tools; a relation.")
    tool_exec_environment_variables: list[SecretState] = Field(description="Old form of `secrets`.")
    identity_ids: list[str] = Field(description="Ids of `identities`; a relation.")
    identities: list[IdentityState] = Field(description="Whom it belongs to; a relation.")
    multi_agent_group: None = None
    managed_group: None = None
    pending_approval: dict[str, Any] | None = Field(
        description="The approval request that waits in its default conversation."
    )
    message_buffer_autoclear: bool = Field(description="Each message has an empty window.")
    enable_sleeptime: bool | None = None
    response_format: dict[str, Any] | None = Field(description="The shape a reply shall have.")
    timezone: str = Field(description="IANA name.")
    last_run_completion: datetime | None = Field(description="When its last run ended.")
    last_run_duration_ms: int | None = Field(description="How long its last run took, in ms.")
    last_stop_reason: str | None = Field(description="Why its last run ended.")
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None
    hidden: bool | None = Field(description="Left out of lists.")
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    deployment_id: str | None = None
    entity_id: str | None = None


# Stored as they came, shown as they were stored.
_EXTRAS = (
    "enable_sleeptime",
    "max_files_open",
    "per_file_view_window_char_limit",
    "project_id",
    "template_id",
    "base_template_id",
    "deployment_id",
    "entity_id",
)


def agent_to_wire(view: AgentView, *, with_tags: bool = True) -> AgentState:
    """An agent as the protocol shows it; relations the view lacks are empty."""
    agent = view.agent
    blocks = [block_to_wire(block) for block in view.blocks]
    secrets = [
        SecretState(
            agent_id=agent.id,
            key=secret.name,
            created_at=secret.created_at,
            updated_at=secret.updated_at,
        )
        for secret in view.secrets
    ]
    return AgentState(
        id=agent.id,
        name=agent.name,
        agent_type=agent.agent_type,
        system=agent.system,
        description=agent.description,
        metadata=agent.metadata,
        tags=list(agent.tags) if with_tags else [],
        created_at=agent.created_at,
        updated_at=agent.updated_at,
        model=agent.model,
        embedding=agent.next_embedding or agent.embedding,
        embedding_in_use=agent.embedding,
        model_settings=settings_to_wire(agent),
        llm_config=llm_config_of(agent),
        embedding_config=embedding_config_of(agent),
        compaction_settings=_compaction_to_wire(agent),
        memory=Memory(blocks=blocks, agent_type=agent.agent_type),
        blocks=blocks,
        tools=[tool_to_wire(tool) for tool in view.tools],
        tool_rules=[rule_to_wire(rule) for rule in agent.tool_rules],
        identity_ids=[identity.id for identity in view.identities],
        identities=[identity_to_wire(identity) for identity in view.identities],
        secrets=secrets,
        tool_exec_environment_variables=secrets,
        message_ids=list(view.message_ids),
        pending_approval=None if view.pending is None else request_to_wire(view.pending),
        message_buffer_autoclear=agent.message_buffer_autoclear,
        response_format=agent.model_settings.response_format,
        timezone=agent.timezone,
        last_run_completion=agent.last_run_completion,
        last_run_duration_ms=agent.last_run_duration_ms,
        last_stop_reason=agent.last_stop_reason,
        hidden=agent.hidden,
    ).model_copy(update=_chosen(agent.extras, _EXTRAS))


def _chosen(extras: JsonObject, names: Collection[str]) -> JsonObject:
    return {name: value for name, value in extras.items() if name in names}


def _compaction_to_wire(agent: Agent) -> JsonObject:
    settings = agent.compaction_settings
    return {
        "mode": settings.mode,
        "sliding_window_percentage": settings.sliding_window_percentage,
        "clip_chars": settings.clip_chars,
        "archive_facts": settings.archive_facts,
        "archive_blocks": list(settings.archive_blocks),
        "model": settings.model,
        "model_settings": agent.extras.get("compaction_model_settings"),
        "prompt": settings.prompt,
        "prompt_acknowledgement": settings.prompt_acknowledgement,
        "fan_out": settings.fan_out,
    }
