"""One agent step, as two pure functions around the model call.

Path: engine.run -> plan_step -> (the model answers) -> read_calls -> (lookups are performed)
-> apply_reply -> db commit -> advance.
Nothing here reads or writes: what a step wants is in its `Plan`, its lookups and its `Outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from remanence.core.calls import BlockChanges, CallResult, Clock, block_changes, run_calls
from remanence.core.compaction import Eviction, apply_eviction, evict, plan_cut
from remanence.core.context import Context, compile_context, without_history
from remanence.core.exchange import Text, Usage
from remanence.core.stopping import stop_after
from remanence.core.tokens import anchored, estimate_parts, predict
from remanence.core.types import Message, StopReason, TokenAnchor
from remanence.errors import ContextOverflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, tzinfo

    from remanence.core.calls import Call, Finding, NewPassage
    from remanence.core.exchange import Part, Reply
    from remanence.core.ids import IdSource
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
class StepIds:
    """The ids of what one step writes, made before it so that a stream can name them."""

    step_id: str
    message_id: str
    tool_message_id: str
    notice_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the step will ask the model, and the state it asks from.

    `state` is the loaded one, or that after `eviction` when the window was full.
    """

    state: State
    context: Context
    eviction: Eviction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepError:
    """Why a step failed: the `code` of an AppError and a message without secrets."""

    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that one step changes, and whether the run goes on (`stop_reason` None).

    `blocks` is core memory after the step and `changes` the way there. `usage` is this step's.
    `window_tokens` is the predicted size of the next request.
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
    window_tokens: int = 0
    error: StepError | None = None
    started_at: datetime
    llm_ns: int = 0
    step_ns: int = 0
    ttft_ns: int | None = None


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
            limit=room - LEAST_HISTORY_TOKENS,
            actual=fixed,
            unit="tokens",
        )


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
    state = plan.state
    result = run_calls(
        state, calls, findings, allowed=plan.context.allowed, clock=clock, new_id=new_id
    )
    called = tuple(call.call.name for call in calls)
    stop, notice = stop_after(state, reply, calls, result.returns)
    usage = reply.usage or Usage(
        prompt_tokens=predict(state.conversation.anchor, plan.context.estimate_tokens),
        completion_tokens=estimate_parts(reply.parts),
    )
    messages = _messages(reply, result, notice, ids, clock.now)
    anchor = state.conversation.anchor
    if reply.usage is not None and reply.usage.prompt_tokens > 0:
        anchor = anchored(
            anchor, reported=reply.usage.prompt_tokens, estimate=plan.context.estimate_tokens
        )
    added = sum(message.tokens for message in messages)
    return Outcome(
        ids=ids,
        plan=plan,
        messages=messages,
        blocks=result.blocks,
        changes=block_changes(state.blocks, result),
        passages=result.passages,
        called_tools=called,
        stop_reason=stop,
        usage=usage,
        anchor=anchor,
        window_tokens=predict(anchor, plan.context.estimate_tokens + added),
        started_at=clock.now,
    )


def _messages(
    reply: Reply, result: CallResult, notice: str | None, ids: StepIds, now: datetime
) -> tuple[Message, ...]:
    messages = [_message(ids.message_id, "assistant", reply.parts, ids, now)]
    if result.returns:
        messages.append(_message(ids.tool_message_id, "tool", result.returns, ids, now))
    if notice is not None:
        messages.append(_message(ids.notice_id, "user", (Text(text=notice),), ids, now))
    return tuple(messages)


def _message(
    message_id: str, role: str, parts: Sequence[Part], ids: StepIds, now: datetime
) -> Message:
    return Message(
        id=message_id,
        role=role,  # type: ignore[arg-type]  # one of three literals above
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
    return Outcome(
        ids=ids,
        plan=plan,
        blocks=state.blocks,
        stop_reason=stop_reason,
        anchor=state.conversation.anchor,
        window_tokens=predict(
            state.conversation.anchor, plan.context.estimate_tokens if plan else 0
        ),
        error=error,
        started_at=now,
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
        window=(*state.window, *stored),
        called_tools=(*state.called_tools, *outcome.called_tools),
        usage=state.usage + outcome.usage,
        conversation=replace(state.conversation, next_seq=next_seq, anchor=outcome.anchor),
    )
