"""What is asked of the store around a step, and what it answers. Values only.

A run is ordered; the store answers with a claim, or says who has it. A step is committed; the
store answers where the conversation stands, and what others changed meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from remanence.core.events import Compacted, RunError
from remanence.core.exchange import Approval, ToolReturn
from remanence.core.types import RunOptions, no_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from remanence.core.callbacks import Callback
    from remanence.core.exchange import JsonObject, Usage
    from remanence.core.ids import OrgId
    from remanence.core.types import Agent, Block, MemoryCounts, Message, Run, State, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """A run somebody asks for.

    Args:
        agent_id: the agent; its default conversation when `conversation_id` is None.
        conversation_id: the conversation; with an `agent_id` it must be one of that agent's.
        messages: what is said to the agent; roles user, system or assistant, without `seq`.
        options: how to run.
        background: it is stored whatever runs, queued behind it, and nobody needs to wait for it.
        is_streamed: somebody listens all the same, so it begins at once if nothing runs.
        idempotency_key: the same key in the same conversation is the same run.
        request_hash: what the key stands for; the same key with another hash is refused.
        callback: whom to tell when the run is over.
        metadata: the caller's: kept with the run.
    """

    agent_id: str | None
    conversation_id: str | None
    messages: tuple[Message, ...]
    options: RunOptions = field(default_factory=RunOptions)
    background: bool = False
    is_streamed: bool = False
    idempotency_key: str | None = None
    request_hash: str | None = None
    callback: Callback | None = None
    metadata: JsonObject = field(default_factory=no_json)

    @property
    def is_queued(self) -> bool:
        """Whether storing it does not claim the conversation for it."""
        return self.background and not self.is_streamed

    @property
    def answers(self) -> tuple[str, ...]:
        """The tool calls that the input answers, if it is the response to an approval request."""
        return tuple(
            part.tool_call_id
            for message in self.messages
            if message.role == "approval"
            for part in message.parts
            if isinstance(part, Approval | ToolReturn)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The conversation is this worker's until its lease ends."""

    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Another run is not finished. `hanging`: and nobody holds the lease, it needs a bell."""

    conversation_id: str
    run_id: str
    hanging: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The run exists: queued just now, or the same request was sent before."""

    run_id: str
    conversation_id: str | None
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Nothing is to be done in this conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A step is stored. What others changed meanwhile is set, what they did not is None.

    `committed_at` is the database's clock: the date of the step's messages.
    """

    next_seq: int
    committed_at: datetime
    cancel_requested: bool
    more: bool
    agent: Agent | None = None
    tools: tuple[Tool, ...] | None = None
    blocks: tuple[Block, ...] | None = None
    counts: MemoryCounts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlocksMoved:
    """Nothing was written: a block the step edited has changed. Apply the reply to these."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Nothing was written: somebody asked the run to stop. Commit it as cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledRun:
    """A run that was asked to stop. `running` means: at its worker's next look."""

    run_id: str
    status: Literal["running", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """What a run has said after some place, oldest first, and where it stands.

    `compactions` are those of its steps, by step id, if its caller asked to be told of them.
    `error` is set when it failed; `usage` and `step_count` are of the whole run until now.
    `is_hanging`: it is not over, and nobody holds its conversation. `is_gone`: its messages were
    deleted.
    """

    run: Run
    messages: tuple[Message, ...]
    usage: Usage
    step_count: int
    error: RunError | None
    compactions: Mapping[str, Compacted] = field(default_factory=dict[str, Compacted])
    is_hanging: bool = False
    is_gone: bool = False


CompactionOutcome = Literal["ok", "busy", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something the sweep has to look at.

    `large`: compact the conversation, or have a model write its summaries; `hanging`: ring its
    bell; `callback`: somebody waits to be told that the run `run_id` of it is over.
    """

    kind: Literal["hanging", "large", "callback"]
    org_id: OrgId
    conversation_id: str
    run_id: str | None = None
