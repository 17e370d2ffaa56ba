"""Tool calls that are not run at once: approved by a person, run by the caller, or reaching out.

A reply with a call of the first two kinds is stored as a request, whole, and ends its run. The
answer comes with a later run, from any process, days later if need be; then the calls that are
still open (approved, or beside those that waited) are run before the model is asked again.

A call that reaches out has effects outside of the database. A reply with one is stored too, and
the run goes on: its next steps run what is open, one such call in each, so that a crash repeats
at most the one call that was running, with the same tool_call_id. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.custom_tools import ToolRun
from remanence.core.exchange import Approval, Reply, ToolCall, ToolReturn
from remanence.core.rules import constraint_error, needs_approval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.calls import Call
    from remanence.core.exchange import Part
    from remanence.core.rules import Allowed
    from remanence.core.types import Message, State

# The type of a tool that the caller of a run brings with it and runs itself.
CLIENT_TOOL = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCalls:
    """Calls at the end of a window that have no return yet.

    `reply` holds them as the model made them; `denied` says why a person refused one, by
    tool_call_id. `answered` are the other calls of the same reply, `returns` what they gave.
    """

    reply: Reply
    denied: dict[str, str]
    answered: Reply
    returns: tuple[ToolReturn, ...]


def with_client_tools(state: State) -> State:
    """The state with the tools that the caller of its run brought; one of theirs hides ours."""
    brought = state.run.options.client_tools
    if not brought:
        return state
    names = {tool.name for tool in brought}
    ours = tuple(tool for tool in state.tools if tool.name not in names)
    return replace(
        state, tools=(*ours, *(replace(tool, tool_type=CLIENT_TOOL) for tool in brought))
    )


def waiting_tools(state: State, allowed: Allowed) -> frozenset[str]:
    """The names of the tools whose calls are answered by a person or by the caller first."""
    return frozenset(
        tool.name
        for tool in state.tools
        if tool.name in allowed.names
        and (
            tool.tool_type == CLIENT_TOOL
            or needs_approval(state.agent.tool_rules, state.tools, tool.name)
        )
    )


def waiting_calls(state: State, calls: Sequence[Call], allowed: Allowed) -> frozenset[str]:
    """The ids of the calls that have to be answered before any of these runs.

    A call that cannot run (its arguments do not fit) is not among them: nobody needs to answer it.
    """
    names = waiting_tools(state, allowed)
    return frozenset(
        call.call.tool_call_id
        for call in calls
        if call.tool is not None and call.problem is None and call.call.name in names
    )


def put_off(calls: Sequence[Call], allowed: Allowed) -> bool:
    """Whether the reply is committed before its calls run: one of them has outside effects."""
    return any(isinstance(call.lookup, ToolRun) and can_run(call, allowed) for call in calls)


def can_run(call: Call, allowed: Allowed) -> bool:
    """Whether a call will be run: it was understood, and the rules let it."""
    return call.tool is not None and call.problem is None and call.call.name in allowed.names


def with_rule_arguments(reply: Reply, calls: Sequence[Call], allowed: Allowed) -> Reply:
    """The reply with the arguments its calls will run with, where a tool rule sets some.

    Rules are not asked again when an open call runs: what is stored is what will be done.
    """
    runs = {
        call.call.tool_call_id: call
        for call in calls
        if call.call.name in allowed.prefilled and can_run(call, allowed)
    }
    return replace(
        reply,
        parts=tuple(
            replace(part, arguments=_spelled(runs[part.tool_call_id]))
            if isinstance(part, ToolCall) and part.tool_call_id in runs
            else part
            for part in reply.parts
        ),
    )


def _spelled(call: Call) -> str:
    heartbeat = {"request_heartbeat": True} if call.wants_heartbeat else {}
    return json.dumps(call.arguments | heartbeat, ensure_ascii=False)


def next_open(calls: Sequence[Call], opened: OpenCalls) -> tuple[Call, ...]:
    """The open calls that one step runs: in order, up to the first with outside effects."""
    batch: list[Call] = []
    for call in calls:
        batch.append(call)
        if isinstance(call.lookup, ToolRun) and call.call.tool_call_id not in opened.denied:
            break
    return tuple(batch)


def as_request(reply: Reply, waiting: frozenset[str], allowed: Allowed) -> Reply:
    """The reply as it is stored while some of its calls wait: they say so.

    So do the calls that the rules forbid now: when the answer comes, they are not asked again.
    """

    def stored(part: Part) -> Part:
        if not isinstance(part, ToolCall):
            return part
        if part.name not in allowed.names:
            return replace(part, refusal=constraint_error(part.name, allowed))
        return replace(part, waits=part.tool_call_id in waiting)

    return replace(reply, parts=tuple(stored(part) for part in reply.parts))


def waiting_in(message: Message) -> tuple[ToolCall, ...]:
    """The calls of an approval request that wait for an answer; empty when it is none.

    A request that does not say which of its calls wait (one that was imported) means all of them.
    """
    calls = tuple(part for part in message.parts if isinstance(part, ToolCall))
    return tuple(call for call in calls if call.waits) or calls


def open_calls(window: Sequence[Message]) -> OpenCalls | None:
    """The unanswered calls at the very end of a window; None when there are none.

    Calls followed by anything but answers are not open: that turn has gone on without them.
    """
    answers: list[Message] = []
    for message in reversed(window):
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        if calls:
            return _still_open(calls, answers)
        if message.role not in ("tool", "approval"):
            return None
        answers.append(message)
    return None


def _still_open(calls: Sequence[ToolCall], answers: Sequence[Message]) -> OpenCalls | None:
    parts = [part for message in answers for part in message.parts]
    returns = tuple(part for part in parts if isinstance(part, ToolReturn))
    returned = {part.tool_call_id for part in returns}
    left = tuple(replace(call, waits=False) for call in calls if call.tool_call_id not in returned)
    if not left:
        return None
    denied = {
        part.tool_call_id: part.reason or "no reason given"
        for part in parts
        if isinstance(part, Approval) and not part.approve
    }
    answered = tuple(call for call in calls if call.tool_call_id in returned)
    return OpenCalls(
        reply=Reply(parts=left, finish="tool_calls"),
        denied=denied,
        answered=Reply(parts=answered, finish="tool_calls"),
        returns=returns,
    )


def refused(calls: Sequence[Call], opened: OpenCalls) -> tuple[Call, ...]:
    """The calls, those that were denied carrying that as their problem."""
    return tuple(
        replace(call, problem=f"The user denied this call ({reason}). Do not try it again unasked.")
        if (reason := opened.denied.get(call.call.tool_call_id))
        else call
        for call in calls
    )
