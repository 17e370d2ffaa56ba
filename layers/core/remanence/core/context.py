"""Compiling state into what one model call sees.

Path: core.step.plan_step -> compile_context -> llm/<wire>.
A context is: system prompt | memory blocks | tool rules | memory metadata, then the summaries of
older history, then the messages of the window. The system part is that of the conversation's
epoch (core.epoch), so the prefix of consecutive requests stands still, which is what providers
discount. Pure, and equal state gives equal bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.builtin import with_heartbeat
from remanence.core.epoch import epoch_for, note_message
from remanence.core.exchange import Request, Text, ToolReturn, ToolSpec, Turn
from remanence.core.history import Repair, message_tokens, turns_of
from remanence.core.render import has_tool, render_summaries
from remanence.core.rules import allowed_tools, allows_parallel_calls
from remanence.core.tokens import estimate_text
from remanence.core.types import HEARTBEAT_AGENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from remanence.core.exchange import ModelSettings
    from remanence.core.rules import Allowed
    from remanence.core.summaries import Summary
    from remanence.core.types import Agent, Epoch, Message, State, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """All that a request is assembled from: gathered from a state, or from a step's receipt.

    `window` ends with the note about changes since the epoch began, if there is one. `can_expand`:
    there is a tool that reads what stands behind a summary.
    """

    handle: str
    system: str
    tools: tuple[ToolSpec, ...]
    summaries: tuple[Summary, ...]
    can_expand: bool
    window: tuple[Message, ...]
    tool_choice: str
    settings: ModelSettings
    cache_key: str
    context_window_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A compiled context, its size by part, and what it was compiled from.

    `tokens` are estimates by part: system, memory, rules, metadata, summary, history, tools.
    `epoch` is what the system part was taken from, `block_ids` the blocks in it, and `notes` what
    the model is told at the tail about changes since; epoch and notes are to be stored with the
    step. `agent_version` and `timezone` are of the agent as it was read.
    """

    request: Request
    ingredients: Ingredients
    tokens: dict[str, int]
    estimate_tokens: int
    allowed: Allowed
    epoch: Epoch
    block_ids: tuple[str, ...]
    notes: str
    agent_version: int
    timezone: str
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
    allowed = _allowed(state)
    epoch, notes = epoch_for(state)
    ingredients = _gather(state, allowed, epoch, notes)
    request, repairs = assemble(ingredients, tz)
    tokens = _sizes(ingredients, epoch)
    return Context(
        request=request,
        ingredients=ingredients,
        tokens=tokens,
        estimate_tokens=sum(tokens.values()),
        allowed=allowed,
        epoch=epoch,
        # Another set of blocks is another key: an epoch holds the blocks that are attached.
        block_ids=tuple(block.id for block in state.blocks),
        notes=notes,
        agent_version=state.agent.version,
        timezone=state.agent.timezone,
        repairs=repairs,
    )


def _gather(state: State, allowed: Allowed, epoch: Epoch, notes: str) -> Ingredients:
    agent = state.agent
    specs = tuple(
        _spec(tool, agent.agent_type) for tool in state.tools if tool.name in allowed.names
    )
    return Ingredients(
        handle=state.run.options.override_model or agent.model,
        system=epoch.system,
        tools=specs,
        summaries=state.summaries,
        can_expand=has_tool(state, "conversation_search"),
        window=(*state.window, note_message(state, notes)) if notes else state.window,
        tool_choice=_tool_choice(allowed, specs, agent.agent_type),
        settings=_settings(agent),
        cache_key=state.conversation.id,
        context_window_limit=agent.context_window_limit,
    )


def assemble(ingredients: Ingredients, tz: tzinfo) -> tuple[Request, tuple[Repair, ...]]:
    """The request that is made of these, and what had to be mended in it.

    A step's request is made here, and made here again when its receipt is replayed.
    """
    summary = render_summaries(ingredients.summaries, can_expand=ingredients.can_expand)
    turns, repairs = turns_of(ingredients.window, tz, ingredients.context_window_limit)
    if summary or (turns and turns[0].role != "user"):
        opening = summary or "(The conversation began before what is shown here.)"
        turns = (Turn(role="user", parts=(Text(text=opening),)), *turns)
    request = Request(
        handle=ingredients.handle,
        system=ingredients.system,
        turns=turns,
        tools=ingredients.tools,
        tool_choice=ingredients.tool_choice,
        settings=ingredients.settings,
        cache_key=ingredients.cache_key,
    )
    return request, repairs


def _sizes(ingredients: Ingredients, epoch: Epoch) -> dict[str, int]:
    """About how many tokens each part takes."""
    limit = ingredients.context_window_limit
    return dict(epoch.tokens) | {
        "summary": sum(summary.tokens for summary in ingredients.summaries),
        "tools": sum(_spec_tokens(spec) for spec in ingredients.tools),
        "history": sum(message_tokens(message, limit) for message in ingredients.window),
    }


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


def without_history(state: State) -> State:
    """The same state with an empty window and no summaries: what can never be evicted."""
    return replace(state, window=(), summaries=())
