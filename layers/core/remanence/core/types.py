"""The values the core works on: agent, block, message, conversation, run, state of a step.

Pure data. Names are the wire names of the official SDK; every instant is aware UTC.
`db/rows.py` builds these from rows, `api/wire` turns them into answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from remanence.core.exchange import JsonObject, ModelSettings, StoredPart, Usage
    from remanence.core.ids import (
        AgentId,
        ArchiveId,
        BlockId,
        ConversationId,
        OrgId,
        PassageId,
        RunId,
        ToolId,
    )
    from remanence.core.own_providers import OwnProvider
    from remanence.core.summaries import CompactionSettings, Summary


def no_json() -> JsonObject:
    """An empty JSON object, as a default."""
    return {}


AgentType = Literal[
    "letta_v1_agent",
    "memgpt_agent",
    "memgpt_v2_agent",
    "react_agent",
    "workflow_agent",
    "split_thread_agent",
    "sleeptime_agent",
    "voice_convo_agent",
    "voice_sleeptime_agent",
]
# The types that speak through `send_message` and go on by heartbeat; all others run as
# letta_v1_agent (native tool calls, the turn ends when no tool is called).
HEARTBEAT_AGENT_TYPES: frozenset[str] = frozenset({"memgpt_agent", "memgpt_v2_agent"})

RunStatus = Literal["created", "running", "completed", "failed", "cancelled"]
StepStatus = Literal["pending", "success", "failed", "cancelled"]
MessageRole = Literal["system", "user", "assistant", "tool", "approval", "summary"]


class StopReason(StrEnum):
    """Why a run ended (the SDK's enum)."""

    END_TURN = "end_turn"
    MAX_STEPS = "max_steps"
    TOOL_RULE = "tool_rule"
    REQUIRES_APPROVAL = "requires_approval"
    ERROR = "error"
    LLM_API_ERROR = "llm_api_error"
    INVALID_LLM_RESPONSE = "invalid_llm_response"
    INVALID_TOOL_CALL = "invalid_tool_call"
    MAX_TOKENS_EXCEEDED = "max_tokens_exceeded"
    NO_TOOL_CALL = "no_tool_call"
    CANCELLED = "cancelled"
    INSUFFICIENT_CREDITS = "insufficient_credits"
    CONTEXT_WINDOW_OVERFLOW = "context_window_overflow_in_system_prompt"


_COMPLETED = frozenset(
    {
        StopReason.END_TURN,
        StopReason.MAX_STEPS,
        StopReason.TOOL_RULE,
        StopReason.REQUIRES_APPROVAL,
    }
)


def run_status_of(reason: StopReason) -> RunStatus:
    """The status a run ends in for this stop reason."""
    if reason in _COMPLETED:
        return "completed"
    return "cancelled" if reason is StopReason.CANCELLED else "failed"


RuleType = Literal[
    "run_first",
    "exit_loop",
    "continue_loop",
    "constrain_child_tools",
    "parent_last_tool",
    "conditional",
    "max_count_per_step",
    "required_before_exit",
    "requires_approval",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRule:
    """A constraint on the order of tool calls; which fields count depends on `type`."""

    type: RuleType
    tool_name: str
    children: tuple[str, ...] = ()
    args: JsonObject | None = None
    child_output_mapping: JsonObject = field(default_factory=no_json)
    default_child: str | None = None
    require_output_mapping: bool = False
    max_count_limit: int | None = None
    prompt_template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent's configuration. `model` and `embedding` are `provider/name` handles.

    `version` grows with every change of the row, its tools or its attached blocks, so that a
    running step notices. `embedding` is what searches use; `next_embedding` replaces it once its
    vectors are made. `context_window_limit` is in tokens. `caps` bound what it may spend, as
    stored; None: nothing does (core.spend reads them). `extras` keeps the fields of the
    protocol that have no behaviour here, so that they read back as they were written.
    """

    id: AgentId
    name: str
    agent_type: AgentType
    system: str
    model: str
    embedding: str | None
    description: str | None
    context_window_limit: int
    model_settings: ModelSettings
    compaction_settings: CompactionSettings
    tool_rules: tuple[ToolRule, ...]
    tags: tuple[str, ...]
    metadata: JsonObject
    timezone: str
    message_buffer_autoclear: bool
    hidden: bool
    extras: JsonObject
    version: int
    created_at: datetime
    updated_at: datetime
    last_stop_reason: str | None = None
    last_run_completion: datetime | None = None
    last_run_duration_ms: int | None = None
    caps: JsonObject | None = None
    next_embedding: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A labelled piece of core memory. `limit` is in characters; `version` counts its values.

    `extras`: fields of the protocol without behaviour here.
    """

    id: BlockId
    label: str
    value: str
    limit: int
    description: str | None = None
    read_only: bool = False
    version: int = 1
    metadata: JsonObject = field(default_factory=no_json)
    tags: tuple[str, ...] = ()
    hidden: bool = False
    extras: JsonObject = field(default_factory=no_json)
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool an agent may call. `parameters` is a JSON schema object.

    `return_char_limit` bounds what one call may put into the context, in characters;
    `extras` keeps the fields of the protocol that have no behaviour here.
    """

    id: ToolId
    name: str
    description: str
    tool_type: str
    parameters: JsonObject
    return_char_limit: int = 50_000
    requires_approval: bool = False
    source_code: str | None = None
    tags: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=no_json)
    extras: JsonObject = field(default_factory=no_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One row of history.

    An approval message is either a request (the assistant's reply whose calls wait) or the
    response to it (Approval and ToolReturn parts, given by the caller). An assistant message holds
    reasoning, text and tool calls of one model reply; the tool message after it holds the returns
    of all of them. `seq` is its place in the conversation (dense, ascending; None until stored);
    `tokens` an estimate (core.tokens).
    """

    id: str
    role: MessageRole
    parts: tuple[StoredPart, ...]
    created_at: datetime
    seq: int | None = None
    tokens: int = 0
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    run_id: str | None = None
    step_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnchor:
    """The last measured truth about a conversation's token count.

    `prompt_tokens` is what the provider reported for the request whose estimate was `estimate`;
    `ratio` is the smoothed quotient of both. Zero `prompt_tokens` means: nothing reported yet.
    """

    prompt_tokens: int = 0
    estimate: int = 0
    ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """A stretch of a conversation in which the system part of its prompt stands still.

    Args:
        system: the compiled system part.
        key: a hash of what it was compiled from, memory excepted; another key, another epoch.
        tokens: its size by part, estimated.
        seen: the version of each attached block that the model has been shown, by id: in the
            system part, in the return of a tool call, or in a note.
        note_tokens: what notes about changes from outside have taken since it began.
    """

    system: str
    key: str
    tokens: dict[str, int]
    seen: dict[str, int]
    note_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A thread of an agent. `is_default` is the one the agent routes use.

    Messages with `seq >= window_from_seq` are in context; older ones are recall memory. `claims`
    counts the claims since the last commit, this one included. `extras` holds what a caller set
    of it: what it overrides of its agent, and fields of the protocol without behaviour here.
    `snapshots` are hashes of texts of its receipts that are stored already (core.receipt).
    """

    id: ConversationId
    agent_id: AgentId
    is_default: bool
    next_seq: int
    window_from_seq: int
    anchor: TokenAnchor
    extras: JsonObject = field(default_factory=no_json)
    claims: int = 0
    epoch: Epoch | None = None
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the caller asked of one run; stored with it, so that any worker can go on.

    `client_tools` are run by the caller. `override_*` replace the agent's own for this run;
    `instructions` stand behind its system prompt.
    """

    max_steps: int = 50
    client_tools: tuple[Tool, ...] = ()
    override_model: str | None = None
    override_system: str | None = None
    use_assistant_message: bool = True
    include_return_message_types: tuple[str, ...] | None = None
    instructions: str | None = None
    include_compaction_messages: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One invocation: input messages until a stop reason. `callback_url` is told of its end.

    `metadata` is the caller's: kept, and read back.
    """

    id: RunId
    agent_id: AgentId
    conversation_id: ConversationId
    status: RunStatus
    options: RunOptions
    background: bool
    created_at: datetime
    stop_reason: str | None = None
    completed_at: datetime | None = None
    callback_url: str | None = None
    metadata: JsonObject = field(default_factory=no_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCounts:
    """What lies outside the window: `recall` messages, `archival` passages, tags in use.

    `archival` is exact up to 10,000 and 10,001 beyond.
    """

    recall: int = 0
    archival: int = 0
    archival_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything one step reads.

    `step_no` is that of the step to take, from 1. `window` holds the in-context messages, oldest
    first; `summaries` stand, in order, for what came before them. `called_tools` names those this
    run has called, in order. `usage` is the run's until now. `fence` and `lease_token` prove the
    right to commit. `org_caps` are as an agent's `caps`. `own_providers` are the organization's.
    `seen_blocks`: as the model saw them.
    """

    org_id: OrgId
    agent: Agent
    blocks: tuple[Block, ...]
    tools: tuple[Tool, ...]
    conversation: Conversation
    run: Run
    step_no: int
    window: tuple[Message, ...]
    summaries: tuple[Summary, ...]
    counts: MemoryCounts
    called_tools: tuple[str, ...]
    usage: Usage
    fence: int
    lease_token: str
    cancel_requested: bool = False
    org_caps: JsonObject | None = None
    own_providers: tuple[OwnProvider, ...] = ()
    seen_blocks: tuple[Block, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One text of archival memory."""

    id: PassageId
    archive_id: ArchiveId
    text: str
    tags: tuple[str, ...]
    created_at: datetime
    metadata: JsonObject = field(default_factory=no_json)
