"""States of a step, for tests of the pure core: everything has a default."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from remanence.core.builtin import BUILTIN_TOOLS
from remanence.core.calls import Clock, read_calls
from remanence.core.exchange import ModelSettings, Reply, Text, ToolCall, ToolReturn, Usage
from remanence.core.plan import plan_step
from remanence.core.step import StepIds, apply_reply
from remanence.core.summaries import CompactionSettings
from remanence.core.tokens import estimate_parts
from remanence.core.types import (
    Agent,
    Block,
    Conversation,
    MemoryCounts,
    Message,
    Run,
    RunOptions,
    State,
    TokenAnchor,
    Tool,
)

if TYPE_CHECKING:
    from remanence.core.findings import Finding
    from remanence.core.step import Outcome

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
CLOCK = Clock(now=NOON, tz=UTC)
IDS = StepIds(
    step_id="step-1",
    message_id="message-reply",
    tool_message_id="message-returns",
    notice_id="message-notice",
    note_id="message-note",
)


class Ids:
    """Counts: agent-1, block-2, ..."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, kind: str = "summary") -> str:
        self.made += 1
        return f"{kind}-{self.made}"


def a_tool(name: str, **changes: Any) -> Tool:
    tool = BUILTIN_TOOLS[name]
    return Tool(
        id=f"tool-{name}",
        name=name,
        description=tool.spec.description,
        tool_type=tool.tool_type,
        parameters=tool.spec.parameters,
        **changes,
    )


def a_block(label: str = "human", value: str = "Unknown.", **changes: Any) -> Block:
    return Block(
        **({"id": f"block-{label}", "label": label, "value": value, "limit": 500} | changes)
    )


def said(text: str, seq: int, role: str = "user", **changes: Any) -> Message:
    parts = changes.pop("parts", (Text(text=text),))
    return Message(
        id=f"message-{seq}",
        role=role,
        parts=parts,
        created_at=NOON + timedelta(minutes=seq),
        seq=seq,
        tokens=estimate_parts(parts),
        **changes,
    )


def called(name: str, arguments: str, seq: int, call_id: str = "call-1", **changes: Any) -> Message:
    call = ToolCall(tool_call_id=call_id, name=name, arguments=arguments)
    return said("", seq, "assistant", parts=(call,), **changes)


def returned(name: str, text: str, seq: int, call_id: str = "call-1", **changes: Any) -> Message:
    answer = ToolReturn(tool_call_id=call_id, name=name, text=text)
    return said("", seq, "tool", parts=(answer,), **changes)


def a_state(**changes: Any) -> State:
    """A step of an agent with one block and three tools; `agent_*` changes go to the agent."""
    agent_changes = {
        key.removeprefix("agent_"): changes.pop(key)
        for key in list(changes)
        if key.startswith("agent_")
    }
    options = changes.pop("options", RunOptions())
    window = changes.pop("window", (said("Hello", 1),))
    agent = Agent(
        id="agent-1",
        name="tested",
        agent_type="letta_v1_agent",
        system="You remember.",
        model="scripted/model",
        embedding=None,
        description=None,
        context_window_limit=8_000,
        model_settings=ModelSettings(),
        compaction_settings=CompactionSettings(),
        tool_rules=(),
        tags=(),
        metadata={},
        timezone="UTC",
        message_buffer_autoclear=False,
        hidden=False,
        extras={},
        version=1,
        created_at=NOON,
        updated_at=NOON,
    )
    conversation = Conversation(
        id="conv-1",
        agent_id="agent-1",
        is_default=True,
        next_seq=len(window) + 1,
        window_from_seq=window[0].seq or 1 if window else 1,
        anchor=changes.pop("anchor", TokenAnchor()),
    )
    run = Run(
        id="run-1",
        agent_id="agent-1",
        conversation_id="conv-1",
        status="running",
        options=options,
        background=False,
        created_at=NOON,
    )
    state = State(
        org_id="org-1",
        agent=replace(agent, **agent_changes),
        blocks=(a_block(),),
        tools=tuple(a_tool(n) for n in ("memory_insert", "memory_replace", "conversation_search")),
        conversation=conversation,
        run=run,
        step_no=1,
        window=tuple(window),
        summaries=(),
        counts=MemoryCounts(),
        called_tools=(),
        usage=Usage(),
        fence=1,
        lease_token="token",
    )
    return replace(state, **changes)


def calling(*calls: tuple[str, str], finish: str = "tool_calls") -> Reply:
    """A reply that makes these calls, each (name, arguments): call-1, call-2, ..."""
    return Reply(
        parts=tuple(
            ToolCall(tool_call_id=f"call-{n}", name=name, arguments=arguments)
            for n, (name, arguments) in enumerate(calls, start=1)
        ),
        finish=finish,  # type: ignore[arg-type]
        usage=Usage(prompt_tokens=50, completion_tokens=5),
    )


def outcome_of(state: State, reply: Reply, found: dict[str, Finding] | None = None) -> Outcome:
    """What a step comes to that is answered with `reply`; `found` by tool_call_id."""
    plan = plan_step(state, clock=CLOCK, new_id=Ids())
    calls = read_calls(reply, state, CLOCK, prefilled=plan.context.allowed.prefilled)
    return apply_reply(plan, reply, calls, found or {}, ids=IDS, clock=CLOCK, new_id=Ids())
