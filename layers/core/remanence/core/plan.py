"""Planning a step: what the model is asked, and what has to leave the window for it to fit.

Path: engine.ask -> plan_step -> core.context.compile_context. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.compaction import Eviction, apply_eviction, evict, plan_cut
from remanence.core.context import Context, compile_context, without_history
from remanence.core.tokens import predict
from remanence.errors import ContextOverflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from remanence.core.calls import Clock
    from remanence.core.types import Block, State

# What is kept free for the answer when the agent sets no limit: a share of the window, so that
# small windows still hold a conversation.
ANSWER_SHARE = 0.15
ANSWER_TOKENS_AT_MOST = 4_096
# What the window is brought down to when it overflows: room for some turns before the next time.
EVICT_TO_SHARE = 0.7
# The least history that must fit beside the system part, or the step cannot be taken at all.
LEAST_HISTORY_TOKENS = 256
EVICTION_TRIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the step will ask the model, and the state it asks from.

    `state` is the loaded one, or that after `eviction` when the window was full.
    """

    state: State
    context: Context
    eviction: Eviction | None

    def moved(self, blocks: tuple[Block, ...]) -> Plan:
        """The same, with the blocks as others have made them while the model answered."""
        state = self.state
        seen = state.blocks if state.seen_blocks is None else state.seen_blocks
        return replace(self, state=replace(state, blocks=blocks, seen_blocks=seen))


def plan_step(
    state: State,
    *,
    clock: Clock,
    new_id: Callable[[], str],
    shrink: float = 1.0,
) -> Plan:
    """Compile what the model is asked, moving old messages out if the window is full.

    Args:
        state: what was loaded.
        clock: when (only for what is written), and the agent's zone.
        new_id: makes ids of summaries.
        shrink: below 1 after a provider said "too long": how much of the window to believe in.

    Returns:
        A plan whose request is predicted to fit the context window.

    Raises:
        ContextOverflow: system prompt, memory and tools leave no room for any history.
    """
    room = int(_room_tokens(state) * shrink)
    context = compile_context(state, clock.tz)
    _check_fixed_part(state, context, clock.tz, room)
    predicted = predict(state.conversation.anchor, context.estimate_tokens)
    # What is measured and what is estimated differ: budgets are in estimated tokens.
    room = int(room * context.estimate_tokens / max(predicted, 1))
    plan = Plan(state=state, context=context, eviction=None)
    budget = int(room * EVICT_TO_SHARE) - (context.estimate_tokens - context.tokens["history"])
    for _ in range(EVICTION_TRIES):
        if plan.context.estimate_tokens <= room:
            break
        cut = plan_cut(state.window, budget)
        if not cut.leaving:
            break
        eviction = evict(state, cut, now=clock.now, new_id=new_id)
        smaller = apply_eviction(state, eviction)
        plan = Plan(state=smaller, context=compile_context(smaller, clock.tz), eviction=eviction)
        # Summaries and the wrapping of tool returns take room too: cut deeper if they did.
        budget = budget * 2 // 3
    return plan


def _room_tokens(state: State) -> int:
    """What a prompt may fill: the window less what is kept free for the answer."""
    window = state.agent.context_window_limit
    wanted = state.agent.model_settings.max_output_tokens or ANSWER_TOKENS_AT_MOST
    return window - min(wanted, int(window * ANSWER_SHARE))


def _check_fixed_part(state: State, context: Context, tz: tzinfo, room: int) -> None:
    fixed = context.estimate_tokens - context.tokens["history"] - context.tokens["summary"]
    if fixed + LEAST_HISTORY_TOKENS <= room:
        return
    fixed = compile_context(without_history(state), tz).estimate_tokens
    if fixed + LEAST_HISTORY_TOKENS > room:
        sizes = ", ".join(
            f"{name} {context.tokens[name]}" for name in ("system", "memory", "rules", "tools")
        )
        raise ContextOverflow(
            f"the part of the context that is always present ({sizes}; shorten the largest "
            "or raise context_window_limit)",
            limit=max(0, room - LEAST_HISTORY_TOKENS),
            actual=fixed,
            unit="tokens",
        )
