"""Compiling state into what one model call sees.

Path: core.step.plan_step -> compile_context -> llm/<wire>.
A context is: system prompt | memory blocks | tool rules | memory metadata, then the summaries of
older history, then the messages of the window. The system part is that of the conversation's
epoch (core.epoch), so the prefix of consecutive requests stands still, which is what providers
discount. Pure, and equal state gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.builtin import with_heartbeat
from remanence.core.epoch import epoch_for, note_message
from remanence.core.exchange import Request, Text, ToolReturn, ToolSpec, Turn
from remanence.core.history import Repair, message_tokens, turns_of
from remanence.core.render import render_summaries
from remanence.core.rules import allowed_tools, allows_parallel_calls
from remanence.core.tokens import estimate_text
from remanence.core.types import HEARTBEAT_AGENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from remanence.core.exchange import JsonObject, ModelSettings
    from remanence.core.rules import Allowed
    from remanence.core.types import Agent, Epoch, State, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A compiled context, its size by part, and what it was compiled from.

    `tokens` are estimates by part: system, memory, rules, metadata, summary, history, tools.
    `epoch` is what the system part was taken from, and `notes` what the model is told at the tail
    about changes since; both are to be stored with the step. `receipt` names versions and ids,
    not words.
    """

    request: Request
    tokens: dict[str, int]
    estimate_tokens: int
    allowed: Allowed
    epoch: Epoch
    notes: str
    receipt: JsonObject
    repairs: tuple[Repair, ...]


def compile_context(state: State, tz: tzinfo) -> Context:
    """Build the one request that the next step of `state` sends.

    Args:
        state: everything the step has read.
        tz: the agent's time zone, for the times in tool returns.

    Returns:
        The context; nothing in it depends on the clock.

    Source: MemGPT, arXiv:2310.08560 (main context: system, working context, queue).
    """
    agent = state.agent
    allowed = _allowed(state)
    epoch, notes = epoch_for(state)
    specs = tuple(
        _spec(tool, agent.agent_type) for tool in state.tools if tool.name in allowed.names
    )
    summary = render_summaries(state)
    window = (*state.window, note_message(state, notes)) if notes else state.window
    turns, repairs = turns_of(window, tz, agent.context_window_limit)
    if summary or (turns and turns[0].role != "user"):
        opening = summary or "(The conversation began before what is shown here.)"
        turns = (Turn(role="user", parts=(Text(text=opening),)), *turns)
    request = Request(
        handle=state.run.options.override_model or agent.model,
        system=epoch.system,
        turns=turns,
        tools=specs,
        tool_choice=_tool_choice(allowed, specs, agent.agent_type),
        settings=_settings(agent),
        cache_key=state.conversation.id,
    )
    tokens = dict(epoch.tokens)
    tokens["summary"] = sum(summary.tokens for summary in state.summaries)
    tokens["tools"] = sum(_spec_tokens(spec) for spec in specs)
    tokens["history"] = sum(message_tokens(m, agent.context_window_limit) for m in window)
    return Context(
        request=request,
        tokens=tokens,
        estimate_tokens=sum(tokens.values()),
        allowed=allowed,
        epoch=epoch,
        notes=notes,
        receipt=_receipt(state, epoch, specs, tokens, repairs),
        repairs=repairs,
    )


def _allowed(state: State) -> Allowed:
    last_return = next(
        (
            part.text
            for message in reversed(state.window)
            if message.role == "tool" and message.run_id == state.run.id
            for part in reversed(message.parts)
            if isinstance(part, ToolReturn)
        ),
        None,
    )
    return allowed_tools(
        state.agent.tool_rules,
        state.called_tools,
        last_return,
        [tool.name for tool in state.tools],
    )


def _tool_choice(allowed: Allowed, specs: Sequence[ToolSpec], agent_type: str) -> str:
    if not specs:
        return "none"
    if allowed.forced is not None:
        return allowed.forced
    # Heartbeat agents act and speak by tools only.
    must_call = allowed.must_call or agent_type in HEARTBEAT_AGENT_TYPES
    return "required" if must_call else "auto"


def _settings(agent: Agent) -> ModelSettings:
    """The agent's settings; calls come one at a time where their order is ruled."""
    settings = agent.model_settings
    if allows_parallel_calls(agent.tool_rules):
        return settings
    return replace(settings, parallel_tool_calls=False)


def _spec(tool: Tool, agent_type: str) -> ToolSpec:
    spec = ToolSpec(name=tool.name, description=tool.description, parameters=tool.parameters)
    return with_heartbeat(spec) if agent_type in HEARTBEAT_AGENT_TYPES else spec


def _spec_tokens(spec: ToolSpec) -> int:
    return estimate_text(f"{spec.name}{spec.description}{json.dumps(spec.parameters)}")


def _receipt(
    state: State,
    epoch: Epoch,
    specs: Sequence[ToolSpec],
    tokens: dict[str, int],
    repairs: Sequence[Repair],
) -> JsonObject:
    seqs = [message.seq for message in state.window if message.seq is not None]
    schema = json.dumps([asdict(spec) for spec in specs], sort_keys=True)
    receipt: JsonObject = {
        "agent_version": state.agent.version,
        "epoch": epoch.key,
        "blocks": dict(epoch.seen),
        "summaries": [summary.id for summary in state.summaries],
        "messages": [min(seqs), max(seqs)] if seqs else [],
        "tools": hashlib.sha256(schema.encode()).hexdigest()[:16],
        "tokens": dict(tokens),
    }
    if repairs:
        receipt["repairs"] = [f"{repair.kind}: {repair.message_id}" for repair in repairs]
    return receipt


def without_history(state: State) -> State:
    """The same state with an empty window and no summaries: what can never be evicted."""
    return replace(state, window=(), summaries=())
