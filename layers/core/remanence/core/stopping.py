"""Whether a run goes on after a step. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.rules import after_step, missing_before_exit
from remanence.core.types import HEARTBEAT_AGENT_TYPES, StopReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.calls import Call, CallResult
    from remanence.core.exchange import Reply
    from remanence.core.types import State


def stop_after(
    state: State, reply: Reply, calls: Sequence[Call], result: CallResult
) -> tuple[StopReason | None, str | None]:
    """Decide what follows a step.

    Args:
        state: what the step began with.
        reply: what the model answered.
        calls: its tool calls.
        result: what they left behind.

    Returns:
        The stop reason, or None to go on; and a notice that the model must read before it goes
        on, or None.

    Source: behaviour of Letta 0.16.8 (its v3 loop; for heartbeat agents its v2 loop).
    """
    stop = _wants_to_stop(state, reply, calls, result)
    notice = None
    if stop in (StopReason.END_TURN, StopReason.TOOL_RULE):
        called = (*state.called_tools, *result.ran)
        available = [tool.name for tool in state.tools]
        missing = missing_before_exit(state.agent.tool_rules, called, available)
        if missing:
            stop = None
            notice = f"You have to call {', '.join(missing)} before you may finish this turn."
    if stop is None and state.step_no >= state.run.options.max_steps:
        return StopReason.MAX_STEPS, None
    return stop, notice


def _wants_to_stop(
    state: State,
    reply: Reply,
    calls: Sequence[Call],
    result: CallResult,
) -> StopReason | None:
    if not calls:
        return StopReason.MAX_TOKENS_EXCEEDED if reply.finish == "length" else StopReason.END_TURN
    verdict = after_step(state.agent.tool_rules, result.ran)
    failed = any(answer.status == "error" for answer in result.returns)
    if state.agent.agent_type not in HEARTBEAT_AGENT_TYPES:
        return StopReason.TOOL_RULE if verdict == "exit" and not failed else None
    heartbeat = any(call.wants_heartbeat for call in calls)
    if failed or verdict == "continue":
        return None
    if verdict == "exit":
        return StopReason.TOOL_RULE if heartbeat else StopReason.END_TURN
    return None if heartbeat else StopReason.END_TURN
