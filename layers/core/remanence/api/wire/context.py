"""What fills an agent's context window, as the protocol shows it."""

from dataclasses import asdict
from datetime import tzinfo
from typing import Any

from pydantic import BaseModel, Field

from remanence.api.wire.messages import View, WireMessage, to_wire_all
from remanence.core.context import compile_context
from remanence.core.history import is_note
from remanence.core.render import render_blocks, render_metadata, render_summaries
from remanence.core.tokens import predict
from remanence.core.types import State


class ContextWindow(BaseModel):
    """The next request of an agent's default conversation, and its size by parts.

    The sizes are in tokens, estimated and brought to the scale of what the provider last counted;
    the parts together are `context_window_size_current`.
    """

    context_window_size_max: int = Field(description="Tokens the window may hold.")
    context_window_size_current: int = Field(description="Tokens it holds.")
    num_messages: int = Field(description="Messages in view.")
    num_archival_memory: int = Field(description="Passages; 10001 means more than 10000.")
    num_recall_memory: int = Field(description="Messages of the conversation out of view.")
    num_tokens_external_memory_summary: int = Field(description="Tokens of the memory metadata.")
    external_memory_summary: str
    num_tokens_system: int = Field(description="Tokens of the system prompt and the tool rules.")
    system_prompt: str = Field(description="The whole system part, as it is sent.")
    num_tokens_core_memory: int
    core_memory: str = Field(
        description="The blocks as they are now; `system_prompt` shows them as of its epoch, and "
        "the model is told of later changes behind the newest message."
    )
    num_tokens_summary_memory: int
    summary_memory: str | None = Field(description="What stands for messages out of view.")
    num_tokens_functions_definitions: int
    functions_definitions: list[dict[str, Any]] = Field(description="The tools it may call.")
    num_tokens_messages: int
    messages: list[WireMessage] = Field(description="The messages in view, oldest first.")


# Key of a part's size on the wire -> the parts of core.context.Context.tokens it is made of.
_PARTS = {
    "num_tokens_system": ("system", "rules"),
    "num_tokens_core_memory": ("memory",),
    "num_tokens_external_memory_summary": ("metadata",),
    "num_tokens_summary_memory": ("summary",),
    "num_tokens_functions_definitions": ("tools",),
}


def context_to_wire(state: State, zone: tzinfo) -> ContextWindow:
    """The context that the next step of `state` would send."""
    context = compile_context(state, zone)
    estimate = context.estimate_tokens
    current = predict(state.conversation.anchor, estimate)
    sizes = {
        key: sum(context.tokens[name] for name in names) * current // max(estimate, 1)
        for key, names in _PARTS.items()
    }
    return ContextWindow(
        context_window_size_max=state.agent.context_window_limit,
        context_window_size_current=current,
        num_messages=len(state.window),
        num_archival_memory=state.counts.archival,
        num_recall_memory=state.counts.recall,
        external_memory_summary=render_metadata(state),
        system_prompt=context.request.system,
        core_memory=render_blocks(state.blocks),
        summary_memory=render_summaries(state.summaries, can_expand=context.ingredients.can_expand)
        or None,
        functions_definitions=[
            {"type": "function", "function": asdict(tool)} for tool in context.request.tools
        ],
        num_tokens_messages=current - sum(sizes.values()),
        messages=to_wire_all([m for m in state.window if not is_note(m)], View()),
        **sizes,
    )
