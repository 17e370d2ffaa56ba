"""Whether a run goes on after a step. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.history import BY_MODEL
from remanence.core.rules import after_step, missing_before_exit
from remanence.core.types import HEARTBEAT_AGENT_TYPES, StopReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.calls import Call, CallResult
    from remanence.core.exchange import Reply
    from remanence.core.types import State


def stop_after(
    state: State,
    reply: Reply,
    calls: Sequence[Call],
    result: CallResult,
    *,
    asked_model: bool = True,
) -> tuple[StopReason | None, str | None]:
    """Decide what follows a step.

    Args:
        state: what the step began with.
        reply: what the model answered.
        calls: its tool calls.
        result: what they left behind.
        asked_model: False for a step that only ran calls of an earlier reply; the limit of steps
            counts those in which the model was asked.

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
    asked = state.step_no - _steps_without_model(state) - (0 if asked_model else 1)
    if stop is None and asked >= state.run.options.max_steps:
        return StopReason.MAX_STEPS, None
    return stop, notice


def _steps_without_model(state: State) -> int:
    """Earlier steps of this run that only ran calls; those that left the window do not count."""
    of_run = [message for message in state.window if message.run_id == state.run.id]
    answering = {message.step_id for message in of_run if message.role == "tool"}
    return len(answering - {message.step_id for message in of_run if message.role in BY_MODEL})


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
