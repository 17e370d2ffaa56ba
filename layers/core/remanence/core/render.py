"""The parts of a prompt as text: memory blocks, metadata, summaries. Pure, equal in, equal out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.rules import render_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.summaries import Summary
    from remanence.core.types import Block, MemoryCounts, State


def system_sections(state: State) -> dict[str, str]:
    """The parts of the system prompt, in their order."""
    options = state.run.options
    system = options.override_system or state.agent.system
    return {
        "system": "\n\n".join(filter(None, (system, options.instructions))),
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
        lines += block_lines(block)
    lines.append("</memory_blocks>")
    return "\n".join(lines)


def block_lines(block: Block) -> list[str]:
    """A block as the prompt shows it, by lines."""
    return [
        f"<{block.label}>",
        "<description>",
        contained(block.description or "", block.label),
        "</description>",
        "<metadata>",
        *(["- read_only=true"] if block.read_only else []),
        f"- chars_current={len(block.value)}",
        f"- chars_limit={block.limit}",
        "</metadata>",
        "<value>",
        contained(block.value, block.label),
        "</value>",
        f"</{block.label}>",
        "",
    ]


# The tags that frame a prompt. Text inside one must not be able to close it.
_FRAMES = (
    "value",
    "description",
    "metadata",
    "memory_blocks",
    "memory_update",
    "memory_metadata",
    "tool_usage_rules",
    "conversation_summary",
)


def contained(text: str, *labels: str) -> str:
    """`text` with closing tags of ours made harmless; nearly every text comes back as it is."""
    if "</" not in text:
        return text
    for tag in (*_FRAMES, *labels):
        text = text.replace(f"</{tag}>", f"<\\/{tag}>")
    return text


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
        + (" (conversation_search finds them)" if has_tool(state, "conversation_search") else ""),
    ]
    if counts.archival:
        lines.append(_archival_line(counts, searchable=has_tool(state, "archival_memory_search")))
    if counts.archival_tags:
        lines.append(f"- Tags in archival memory: {contained(', '.join(counts.archival_tags))}")
    lines.append("</memory_metadata>")
    return "\n".join(lines)


def _archival_line(counts: MemoryCounts, *, searchable: bool) -> str:
    how_many = "more than 10,000" if counts.archival > 10_000 else str(counts.archival)
    hint = " (archival_memory_search finds them)" if searchable else ""
    return f"- {how_many} passages are stored in archival memory{hint}"


def has_tool(state: State, tool_name: str) -> bool:
    """Whether the agent may call a tool of this name."""
    return any(tool.name == tool_name for tool in state.tools)


def render_summaries(summaries: Sequence[Summary], *, can_expand: bool) -> str:
    """What stands for the messages before the window, oldest first; empty without any."""
    if not summaries:
        return ""
    first = summaries[0]
    lines = ["<conversation_summary>", "Older messages are out of view. In short, oldest first:"]
    if can_expand:
        handle = f"{first.from_seq}-{first.to_seq}"
        lines.append(f'(To read what stands behind one: conversation_search, expand="{handle}".)')
    for summary in summaries:
        lines.append(f"[messages {summary.from_seq}-{summary.to_seq}]")
        lines.append(contained(summary.text))
    lines.append("</conversation_summary>")
    return "\n".join(lines)
