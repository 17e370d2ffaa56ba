"""Compiling state into what one model call sees.

Path: core.step.plan_step -> compile_context -> llm/<wire>.
A context is: system prompt | memory blocks | tool rules | memory metadata, then the summaries of
older history, then the messages of the window. Pure, and equal state gives equal bytes: the
prefix of consecutive requests stands still, which is what providers discount.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.builtin import with_heartbeat
from remanence.core.exchange import Request, Text, ToolReturn, ToolSpec, Turn
from remanence.core.history import Repair, turns_of
from remanence.core.rules import allowed_tools, allows_parallel_calls, render_rules
from remanence.core.tokens import estimate_request, estimate_text
from remanence.core.types import HEARTBEAT_AGENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from remanence.core.exchange import JsonObject, ModelSettings
    from remanence.core.rules import Allowed
    from remanence.core.types import Agent, Block, MemoryCounts, State, Summary, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A compiled context, its size by part, and what it was compiled from.

    `tokens` are estimates by part: system, memory, rules, metadata, summary, history, tools.
    `receipt` names versions and ids, not words.
    """

    request: Request
    tokens: dict[str, int]
    estimate_tokens: int
    allowed: Allowed
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
    sections = _system_sections(state)
    system = "\n\n".join(text for text in sections.values() if text)
    specs = tuple(
        _spec(tool, agent.agent_type) for tool in state.tools if tool.name in allowed.names
    )
    summary = render_summaries(state.summaries)
    turns, repairs = turns_of(state.window, tz, agent.context_window_limit)
    if summary or (turns and turns[0].role != "user"):
        opening = summary or "(The conversation began before what is shown here.)"
        turns = (Turn(role="user", parts=(Text(text=opening),)), *turns)
    request = Request(
        handle=state.run.options.override_model or agent.model,
        system=system,
        turns=turns,
        tools=specs,
        tool_choice=_tool_choice(allowed, specs, agent.agent_type),
        settings=_settings(agent),
        cache_key=state.conversation.id,
    )
    tokens = {name: estimate_text(text) for name, text in sections.items()}
    tokens["summary"] = estimate_text(summary)
    tokens["tools"] = sum(_spec_tokens(spec) for spec in specs)
    total = estimate_request(request)
    tokens["history"] = max(0, total - sum(tokens.values()))
    return Context(
        request=request,
        tokens=tokens,
        estimate_tokens=total,
        allowed=allowed,
        receipt=_receipt(state, specs, tokens, repairs),
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


def _system_sections(state: State) -> dict[str, str]:
    """The parts of the system prompt, in their order."""
    return {
        "system": state.run.options.override_system or state.agent.system,
        "memory": render_blocks(state.blocks),
        "rules": render_rules(state.agent.tool_rules),
        "metadata": render_metadata(state),
    }


def render_blocks(blocks: Sequence[Block]) -> str:
    """The `<memory_blocks>` section: every block with its description, limits and value."""
    if not blocks:
        return ""
    lines = ["<memory_blocks>", "Your core memory: these blocks are always in view.", ""]
    for block in blocks:
        lines += _block_lines(block)
    lines.append("</memory_blocks>")
    return "\n".join(lines)


def _block_lines(block: Block) -> list[str]:
    return [
        f"<{block.label}>",
        "<description>",
        block.description or "",
        "</description>",
        "<metadata>",
        *(["- read_only=true"] if block.read_only else []),
        f"- chars_current={len(block.value)}",
        f"- chars_limit={block.limit}",
        "</metadata>",
        "<value>",
        block.value,
        "</value>",
        f"</{block.label}>",
        "",
    ]


def render_metadata(state: State) -> str:
    """The `<memory_metadata>` section: what lies outside the window, counted at this moment.

    Recall counts what has left the window, so the section stands still while the window only
    grows, and changes when something was moved out of view.
    """
    counts = state.counts
    conversation = state.conversation
    lines = [
        "<memory_metadata>",
        f"- AGENT_ID: {state.agent.id}",
        f"- CONVERSATION_ID: {'default' if conversation.is_default else conversation.id}",
        f"- {counts.recall} earlier messages of this conversation are out of view, in recall memory"
        + (" (conversation_search finds them)" if _has(state, "conversation_search") else ""),
    ]
    if counts.archival:
        lines.append(_archival_line(counts, searchable=_has(state, "archival_memory_search")))
    if counts.archival_tags:
        lines.append(f"- Tags in archival memory: {', '.join(counts.archival_tags)}")
    lines.append("</memory_metadata>")
    return "\n".join(lines)


def _archival_line(counts: MemoryCounts, *, searchable: bool) -> str:
    how_many = "more than 10,000" if counts.archival > 10_000 else str(counts.archival)
    hint = " (archival_memory_search finds them)" if searchable else ""
    return f"- {how_many} passages are stored in archival memory{hint}"


def _has(state: State, tool_name: str) -> bool:
    return any(tool.name == tool_name for tool in state.tools)


def render_summaries(summaries: Sequence[Summary]) -> str:
    """What stands for the messages before the window, oldest first; empty without any."""
    if not summaries:
        return ""
    lines = ["<conversation_summary>", "Older messages are out of view. In short, oldest first:"]
    for summary in summaries:
        lines.append(f"[messages {summary.from_seq}-{summary.to_seq}]")
        lines.append(summary.text)
    lines.append("</conversation_summary>")
    return "\n".join(lines)


def _receipt(
    state: State, specs: Sequence[ToolSpec], tokens: dict[str, int], repairs: Sequence[Repair]
) -> JsonObject:
    seqs = [message.seq for message in state.window if message.seq is not None]
    schema = json.dumps([asdict(spec) for spec in specs], sort_keys=True)
    receipt: JsonObject = {
        "agent_version": state.agent.version,
        "blocks": {block.id: block.version for block in state.blocks},
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
