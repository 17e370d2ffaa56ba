"""What a step comes to: state and reply in, an `Outcome` out, and the state after it.

Path: core.plan.plan_step -> (the model answers) -> core.calls.read_calls -> (lookups are
performed) -> apply_reply -> db commit -> advance.
Nothing here reads or writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from remanence.core.approvals import (
    as_request,
    can_run,
    put_off,
    refused,
    waiting_calls,
    with_rule_arguments,
)
from remanence.core.calls import BlockChanges, block_changes, read_calls, run_calls
from remanence.core.epoch import after_edits
from remanence.core.exchange import Text, Usage
from remanence.core.history import return_limit_chars
from remanence.core.receipt import known_after, receipt_of, snapshots_of, unasked_receipt
from remanence.core.rules import Allowed
from remanence.core.stopping import MAX_BROKEN_STEPS, keeps_breaking, stop_after
from remanence.core.tokens import anchored, estimate_parts, predict
from remanence.core.types import Message, StopReason, TokenAnchor, no_json
from remanence.errors import ProviderBadCalls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from remanence.core.approvals import OpenCalls
    from remanence.core.calls import Call, CallResult, Clock
    from remanence.core.exchange import JsonObject, Part, Reply, ToolReturn
    from remanence.core.findings import Finding, NewPassage
    from remanence.core.ids import IdSource
    from remanence.core.plan import Plan
    from remanence.core.receipt import Snapshot
    from remanence.core.spend import Spend
    from remanence.core.types import Block, Epoch, MessageRole, State


@dataclass(frozen=True, slots=True, kw_only=True)
class StepIds:
    """The ids of what one step writes, made before it so that a stream can name them."""

    step_id: str
    message_id: str
    tool_message_id: str
    notice_id: str
    note_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepError:
    """Why a step failed: the `code` of an AppError and a message without secrets."""

    type: str
    message: str


# The calls themselves are in the history, each with its return: they may be any text.
_BROKEN_CALLS = StepError(
    type=ProviderBadCalls.code,
    message=(
        f"the model made nothing but broken tool calls in {MAX_BROKEN_STEPS} steps in a row: of"
        " tools that it does not have or a rule forbids, or with arguments that do not fit. The"
        " run's messages say what was wrong with each; another model, or fewer and simpler tools"
        " and rules, may do better"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that one step changes, and whether the run goes on (`stop_reason` None).

    `blocks` is core memory after the step and `changes` the way there. `usage` is this step's.
    `window_tokens` is the predicted size of the next request, `epoch` the prompt's; None: as it
    was. `receipt` says what the request was compiled from, `snapshots` are its texts that are not
    stored yet. `spend` is what its model call has to pay for; None: no model was asked.
    """

    ids: StepIds
    plan: Plan | None
    messages: tuple[Message, ...] = ()
    blocks: tuple[Block, ...] = ()
    changes: BlockChanges = field(default_factory=BlockChanges)
    passages: tuple[NewPassage, ...] = ()
    called_tools: tuple[str, ...] = ()
    stop_reason: StopReason | None = None
    usage: Usage = field(default_factory=Usage)
    anchor: TokenAnchor = field(default_factory=TokenAnchor)
    window_tokens: int | None = None
    epoch: Epoch | None = None
    receipt: JsonObject = field(default_factory=no_json)
    snapshots: tuple[Snapshot, ...] = ()
    error: StepError | None = None
    spend: Spend | None = None
    started_at: datetime
    llm_ns: int = 0
    step_ns: int = 0
    ttft_ns: int | None = None


def apply_reply(  # noqa: PLR0913  the four inputs of a step, and what may not be made here
    plan: Plan,
    reply: Reply,
    calls: Sequence[Call],
    findings: dict[str, Finding],
    *,
    ids: StepIds,
    clock: Clock,
    new_id: IdSource,
) -> Outcome:
    """What a step changes, given what the model answered and what its lookups found.

    Args:
        plan: what was asked. Its state's blocks are what edits are applied to.
        reply: the answer, whole.
        calls: its tool calls as `read_calls` understood them.
        findings: what each lookup found, by tool_call_id.
        ids: of what is written.
        clock: when the reply was complete.
        new_id: makes ids of blocks and passages.

    Returns:
        The outcome. Applying the same reply to refreshed blocks gives the outcome for those.
    """
    state, allowed = plan.state, plan.context.allowed
    intent = with_rule_arguments(reply, calls, allowed)
    if waiting := waiting_calls(state, calls, allowed):
        request = as_request(intent, waiting, allowed)
        return _outcome(plan, request, (), StopReason.REQUIRES_APPROVAL, ids=ids, clock=clock)
    if put_off(calls, allowed):
        # What cannot run is told now, by the rules as they are now; the next step runs the rest.
        calls = [call for call in calls if not can_run(call, allowed)]
        told = run_calls(state, calls, {}, allowed=allowed, clock=clock, new_id=new_id)
        return _outcome(plan, intent, told.returns, None, ids=ids, clock=clock)
    result = run_calls(
        state, calls, findings, allowed=plan.context.allowed, clock=clock, new_id=new_id
    )
    stop, notice = stop_after(state, reply, calls, result)
    gives_up = stop is None and keeps_breaking(state, calls, result.returns, clock)
    outcome = _outcome(
        plan,
        reply,
        result.returns,
        StopReason.INVALID_TOOL_CALL if gives_up else stop,
        ids=ids,
        clock=clock,
        notice=notice,
        found=findings.values(),
    )
    changes = block_changes(state.blocks, result)
    return replace(
        outcome,
        blocks=result.blocks,
        changes=changes,
        epoch=after_edits(plan.context.epoch, changes, _limit_chars(state, calls)),
        passages=result.passages,
        called_tools=result.ran,
        error=_BROKEN_CALLS if gives_up else None,
    )


def apply_open_calls(  # noqa: PLR0913  as apply_reply
    plan: Plan,
    opened: OpenCalls,
    calls: Sequence[Call],
    findings: dict[str, Finding],
    *,
    ids: StepIds,
    clock: Clock,
    new_id: IdSource,
) -> Outcome:
    """What a step changes that only runs calls of an earlier reply: no model is asked.

    Args:
        plan: its context is not sent; its state's blocks are what edits are applied to.
        opened: the calls that are open, and those that were denied.
        calls: those of them that are to be run now, as `read_calls` understood them.
        findings: what each lookup found, by tool_call_id.
        ids: of what is written.
        clock: now.
        new_id: makes ids of blocks and passages.
    """
    state = plan.state
    everything = Allowed(names=tuple(tool.name for tool in state.tools))
    result = run_calls(
        state, refused(calls, opened), findings, allowed=everything, clock=clock, new_id=new_id
    )
    stop, notice = None, None
    if len(calls) == len(opened.reply.parts):  # the reply is answered: what follows from all of it
        stop, notice = _after_all(state, opened, calls, result, clock)
    message = _message(ids.tool_message_id, "tool", result.returns, ids, clock.now)
    messages = (message,) if notice is None else (message, _notice(notice, ids, clock.now))
    size = plan.context.estimate_tokens + sum(each.tokens for each in messages)
    changes = block_changes(state.blocks, result)
    epoch = state.conversation.epoch
    return Outcome(
        ids=ids,
        plan=plan,
        messages=messages,
        blocks=result.blocks,
        changes=changes,
        epoch=after_edits(epoch, changes, _limit_chars(state, calls)) if epoch else None,
        receipt=unasked_receipt(findings.values()),
        passages=result.passages,
        called_tools=result.ran,
        stop_reason=stop,
        anchor=state.conversation.anchor,
        window_tokens=predict(state.conversation.anchor, size),
        started_at=clock.now,
    )


def _after_all(
    state: State, opened: OpenCalls, calls: Sequence[Call], result: CallResult, clock: Clock
) -> tuple[StopReason | None, str | None]:
    """What follows a reply whose calls were run in several steps, as if it had been in one."""
    worked = [answer.name for answer in opened.returns if answer.status == "success"]
    whole = replace(result, returns=(*opened.returns, *result.returns), ran=(*worked, *result.ran))
    earlier = read_calls(opened.answered, state, clock)
    return stop_after(state, opened.reply, (*earlier, *calls), whole, asked_model=False)


def _outcome(  # noqa: PLR0913  what a step came to
    plan: Plan,
    reply: Reply,
    returns: tuple[ToolReturn, ...],
    stop: StopReason | None,
    *,
    ids: StepIds,
    clock: Clock,
    notice: str | None = None,
    found: Iterable[Finding] = (),
) -> Outcome:
    """The outcome of a reply, core memory unchanged."""
    anchor = plan.state.conversation.anchor
    estimate = plan.context.estimate_tokens
    usage = reply.usage or Usage(
        prompt_tokens=predict(anchor, estimate), completion_tokens=estimate_parts(reply.parts)
    )
    role: MessageRole = "approval" if stop is StopReason.REQUIRES_APPROVAL else "assistant"
    messages = [_message(ids.message_id, role, reply.parts, ids, clock.now)]
    if plan.context.notes:
        text = (Text(text=plan.context.notes),)
        messages.insert(0, _message(ids.note_id, "system", text, ids, clock.now))
    if returns:
        messages.append(_message(ids.tool_message_id, "tool", returns, ids, clock.now))
    if notice is not None:
        messages.append(_notice(notice, ids, clock.now))
    if reply.usage is not None and reply.usage.prompt_tokens > 0:
        anchor = anchored(anchor, reported=reply.usage.prompt_tokens, estimate=estimate)
    added = sum(message.tokens for message in messages)
    outcome = Outcome(
        ids=ids,
        plan=plan,
        messages=tuple(messages),
        blocks=plan.state.blocks,
        epoch=plan.context.epoch,
        stop_reason=stop,
        usage=usage,
        anchor=anchor,
        window_tokens=predict(anchor, estimate + added),
        started_at=clock.now,
    )
    return _receipted(outcome, plan, found)


def _receipted(outcome: Outcome, plan: Plan, found: Iterable[Finding]) -> Outcome:
    """The outcome with the receipt of its request, and the texts of it that are not stored."""
    snapshots = snapshots_of(plan.context)
    known = plan.state.conversation.snapshots
    return replace(
        outcome,
        receipt=receipt_of(plan.context, snapshots, found),
        snapshots=tuple(snapshot for snapshot in snapshots if snapshot.hash not in known),
    )


def _limit_chars(state: State, calls: Sequence[Call]) -> int:
    return return_limit_chars(state.agent.context_window_limit, len(calls))


def _notice(text: str, ids: StepIds, now: datetime) -> Message:
    return _message(ids.notice_id, "system", (Text(text=text),), ids, now)


def _message(
    message_id: str, role: MessageRole, parts: Sequence[Part], ids: StepIds, now: datetime
) -> Message:
    return Message(
        id=message_id,
        role=role,
        parts=tuple(parts),
        created_at=now,
        tokens=estimate_parts(parts),
        step_id=ids.step_id,
    )


def failed(
    state: State,
    plan: Plan | None,
    *,
    ids: StepIds,
    now: datetime,
    stop_reason: StopReason,
    error: StepError | None,
) -> Outcome:
    """The outcome of a step that could not be taken: it ends the run and changes nothing else."""
    outcome = Outcome(
        ids=ids,
        plan=plan,
        blocks=state.blocks,
        stop_reason=stop_reason,
        anchor=state.conversation.anchor,
        error=error,
        started_at=now,
    )
    return outcome if plan is None else _receipted(outcome, plan, ())


def dated(outcome: Outcome, at: datetime) -> Outcome:
    """The outcome with the date that its messages were stored with."""
    return replace(
        outcome, messages=tuple(replace(message, created_at=at) for message in outcome.messages)
    )


def advance(state: State, outcome: Outcome, *, next_seq: int) -> State:
    """The state the next step of the run begins with, once `outcome` is committed.

    Args:
        state: the plan's (an eviction is in it already).
        outcome: what was committed.
        next_seq: of the conversation, as the commit said.
    """
    first = next_seq - len(outcome.messages)
    stored = tuple(
        replace(message, seq=first + place, run_id=state.run.id)
        for place, message in enumerate(outcome.messages)
    )
    versions = outcome.changes.new_versions(state.blocks)
    return replace(
        state,
        step_no=state.step_no + 1,
        blocks=tuple(
            replace(block, version=versions.get(block.id, block.version))
            for block in outcome.blocks
        ),
        seen_blocks=None,
        window=(*state.window, *stored),
        called_tools=(*state.called_tools, *outcome.called_tools),
        usage=state.usage + outcome.usage,
        conversation=replace(
            state.conversation,
            next_seq=next_seq,
            anchor=outcome.anchor,
            epoch=outcome.epoch or state.conversation.epoch,
            snapshots=known_after(state.conversation.snapshots, outcome.snapshots),
        ),
    )
