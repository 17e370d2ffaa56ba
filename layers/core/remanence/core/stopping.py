"""Whether a run goes on after a step. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.calls import read_calls
from remanence.core.exchange import Reply, ToolCall, ToolReturn
from remanence.core.history import BY_MODEL
from remanence.core.rules import after_step, is_constraint_error, missing_before_exit
from remanence.core.types import HEARTBEAT_AGENT_TYPES, StopReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from remanence.core.calls import Call, CallResult, Clock
    from remanence.core.types import Message, State

# How many steps in a row may make nothing but broken calls. Each was answered with what the tool
# takes; a model that has not understood it by then would go on until the limit of steps.
MAX_BROKEN_STEPS = 3


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


def keeps_breaking(
    state: State, calls: Sequence[Call], returns: Sequence[ToolReturn], clock: Clock
) -> bool:
    """Whether this step is one too many of those in a row that made nothing but broken calls.

    A call is broken when its arguments cannot be read or do not fit, when there is no tool of its
    name, or when a rule forbids it; not when a person denies it or its tool fails.

    Args:
        state: what the step began with; its window tells what the run did before, so that any
            worker counts the same. What left the window does not count.
        calls: of the step, which has asked the model.
        returns: what these calls were answered with.
        clock: as the calls were read with.
    """
    broken = _all_broken(calls, _forbidden(returns))
    return broken and _broken_before(state, clock) + 1 >= MAX_BROKEN_STEPS


def _broken_before(state: State, clock: Clock) -> int:
    """How many of the run's last steps, without a gap, made nothing but broken calls."""
    count = 0
    forbidden: frozenset[str] = frozenset()
    for message in reversed(state.window):
        if message.run_id != state.run.id:
            continue
        if _has_worked(message):  # whatever its tool has become since
            break
        # The returns of a step stand behind its calls, so they are met first.
        forbidden |= _forbidden(part for part in message.parts if isinstance(part, ToolReturn))
        if message.role in BY_MODEL:
            made = Reply(
                parts=tuple(part for part in message.parts if isinstance(part, ToolCall)),
                finish="tool_calls",
            )
            if not _all_broken(read_calls(made, state, clock), forbidden):
                break
            count += 1
            forbidden = frozenset()
    return count


def _all_broken(calls: Sequence[Call], forbidden: frozenset[str]) -> bool:
    return bool(calls) and all(
        call.call.refusal is None
        and (call.tool is None or call.problem is not None or call.call.tool_call_id in forbidden)
        for call in calls
    )


def _forbidden(returns: Iterable[ToolReturn]) -> frozenset[str]:
    """The calls that a rule forbade, by their returns."""
    return frozenset(
        answer.tool_call_id
        for answer in returns
        if answer.status == "error" and is_constraint_error(answer.text)
    )


def _has_worked(message: Message) -> bool:
    """Whether a call was run and gave what was asked of it."""
    return any(isinstance(part, ToolReturn) and part.status == "success" for part in message.parts)


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
