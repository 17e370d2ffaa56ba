"""Runs and steps as the step functions of the database take and give them.

Path: db.store. The jsonb of run_start, step_commit and compact_commit is spelled here.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from remanence.core.claims import Busy, Committed
from remanence.core.exchange import ToolCall
from remanence.core.types import StopReason, run_status_of
from remanence.db.rows import (
    agent_from_row,
    block_from_row,
    counts_from_row,
    message_to_row,
    options_to_row,
    tool_from_row,
)
from remanence.errors import InvalidRequest, NotFound, PendingApproval

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.calls import BlockChanges, BlockEdit
    from remanence.core.claims import RunOrder
    from remanence.core.compaction import Eviction
    from remanence.core.findings import NewPassage
    from remanence.core.step import Outcome
    from remanence.core.types import Epoch, State, StepStatus
    from remanence.db.queries import Row
    from remanence.errors import AppError

T = TypeVar("T")


def run_to_row(order: RunOrder, run_id: str) -> Row:
    """A run as run_start takes it."""
    return {
        "id": run_id,
        "background": order.background,
        "options": options_to_row(order.options),
        "input": [message_to_row(message) for message in order.messages],
        "idempotency_key": order.idempotency_key,
        "request_hash": order.request_hash,
        "callback_url": order.callback.url if order.callback else None,
        "callback_method": order.callback.method if order.callback else None,
        "metadata": order.metadata,
    }


def refusal(answer: Row) -> AppError:
    """Why run_start stored nothing."""
    match answer["outcome"]:
        case "mismatch":
            return InvalidRequest(
                "this idempotency key, or this answer to tool calls, was sent before with another "
                f"body (run {answer['run_id']!r}); use a new key for a new request",
                field="otid",
            )
        case "pending":
            return PendingApproval(answer["message_id"], answer["call_ids"])
        case "unasked":
            waiting = ", ".join(answer["call_ids"]) or "none"
            return InvalidRequest(
                "an approval answers all tool calls that wait for one, and no others; "
                f"waiting now: {waiting}",
                field="approvals",
            )
        case _:
            return NotFound(answer["kind"], answer["id"])


def commit_call(state: State, outcome: Outcome) -> Row:
    """A step as step_commit takes it, but for its lease and the id of a new archive."""
    return {
        "org_id": state.org_id,
        "conversation_id": state.conversation.id,
        "run_id": state.run.id,
        "lease_token": state.lease_token,
        "fence": state.fence,
        "agent_version": state.agent.version,
        "known_blocks": outcome.changes.new_versions(state.blocks),
        "step": _step_row(state, outcome),
        "messages": [message_to_row(message) for message in outcome.messages],
        "blocks": block_changes_to_row(outcome.changes),
        "passages": [passage_to_row(passage) for passage in outcome.passages],
        "eviction": eviction_to_row(outcome.plan.eviction if outcome.plan else None),
        "anchor": asdict(outcome.anchor),
        "window_tokens": outcome.window_tokens,
        **_epoch_rows(state.conversation.epoch, outcome.epoch),
        "snapshots": [asdict(snapshot) for snapshot in outcome.snapshots],
        "finish": _finish_row(outcome),
        "pending": _pending_row(outcome),
    }


def _epoch_rows(old: Epoch | None, new: Epoch | None) -> Row:
    """The prompt's epoch: its text only when it is a new one, what was seen always."""
    if new is None:
        return {"epoch": None, "epoch_seen": None}
    is_new = old is None or old.system != new.system or old.key != new.key
    text = {"system": new.system, "key": new.key, "tokens": new.tokens}
    return {
        "epoch": text if is_new else None,
        "epoch_seen": {"seen": new.seen, "note_tokens": new.note_tokens},
    }


def block_changes_to_row(changes: BlockChanges) -> Row:
    """Changes of blocks as write_blocks takes them."""
    return {
        "edited": [_edit_row(edit) for edit in changes.edited],
        "created": [_edit_row(edit) for edit in changes.created],
        "detached": list(changes.detached),
    }


def passage_to_row(passage: NewPassage) -> Row:
    """A passage as insert_passages takes it."""
    return {
        "id": passage.id,
        "text": passage.text,
        "tags": list(passage.tags),
        "tool_call_id": passage.tool_call_id,
        "embedding": None if passage.vector is None else list(passage.vector),
        "embedding_model": passage.embedding_model,
    }


def due_kind(kind: str) -> Literal["hanging", "large", "callback"]:
    """Why the sweep has to look at a conversation, or at a run of it."""
    match kind:
        case "hanging" | "large" | "callback":
            return kind
        case _:
            raise ValueError(kind)


def busy(answer: Row) -> Busy:
    """Who has the conversation."""
    return Busy(
        conversation_id=answer["conversation_id"],
        run_id=answer["run_id"],
        hanging=answer.get("hanging", False),
    )


def committed(answer: Row) -> Committed:
    """Where the conversation stands, and what others changed."""

    def given(key: str, convert: Any) -> Any:
        return convert(answer[key]) if key in answer else None

    return Committed(
        next_seq=answer["next_seq"],
        committed_at=datetime.fromisoformat(answer["committed_at"]),
        cancel_requested=answer["cancel_requested"],
        more=answer["more"],
        agent=given("agent", agent_from_row),
        tools=given("tools", partial(_each, tool_from_row)),
        blocks=given("blocks", partial(_each, block_from_row)),
        counts=given("counts", counts_from_row),
    )


def _each(convert: Callable[[Row], T], rows: list[Row]) -> tuple[T, ...]:
    return tuple(convert(row) for row in rows)


def _edit_row(edit: BlockEdit) -> Row:
    block = edit.block
    return {
        "id": block.id,
        "label": block.label,
        "value": block.value,
        "limit": block.limit,
        "description": block.description,
        "base_version": edit.base_version,
        "tool_call_id": edit.tool_call_id,
    }


def _step_row(state: State, outcome: Outcome) -> Row:
    return {
        "id": outcome.ids.step_id,
        "step_no": state.step_no,
        "status": _step_status(outcome),
        "stop_reason": outcome.stop_reason,
        "model": state.run.options.override_model or state.agent.model,
        "context_window_limit": state.agent.context_window_limit,
        "prompt_tokens": outcome.usage.prompt_tokens,
        "completion_tokens": outcome.usage.completion_tokens,
        "cached_input_tokens": outcome.usage.cached_input_tokens,
        "cache_write_tokens": outcome.usage.cache_write_tokens,
        "reasoning_tokens": outcome.usage.reasoning_tokens,
        "called_tools": list(outcome.called_tools),
        "error": asdict(outcome.error) if outcome.error else None,
        "receipt": _receipt(outcome),
        "llm_ns": outcome.llm_ns,
        "step_ns": outcome.step_ns,
        "started_at": outcome.started_at.isoformat(),
    }


def _receipt(outcome: Outcome) -> Row:
    """What the step was made from, and what its model call has cost."""
    return outcome.receipt | ({"spend": asdict(outcome.spend)} if outcome.spend else {})


def _step_status(outcome: Outcome) -> StepStatus:
    if outcome.stop_reason is StopReason.CANCELLED:
        return "cancelled"
    return "failed" if outcome.error else "success"


def _finish_row(outcome: Outcome) -> Row | None:
    if outcome.stop_reason is None:
        return None
    return {
        "status": run_status_of(outcome.stop_reason),
        "stop_reason": outcome.stop_reason,
        "error": asdict(outcome.error) if outcome.error else None,
        "ttft_ns": outcome.ttft_ns,
    }


def _pending_row(outcome: Outcome) -> Row | None:
    if outcome.stop_reason is not StopReason.REQUIRES_APPROVAL:
        return None
    request = next(message for message in outcome.messages if message.role == "approval")
    return {
        "message_id": request.id,
        "call_ids": [p.tool_call_id for p in request.parts if isinstance(p, ToolCall) and p.waits],
    }


def eviction_to_row(eviction: Eviction | None) -> Row | None:
    """A compaction as step_commit and compact_commit take it."""
    if eviction is None:
        return None
    return {
        "base_window_from_seq": eviction.base_window_from_seq,
        "window_from_seq": eviction.window_from_seq,
        "parents": eviction.parents,
        "summaries": [
            asdict(summary) | {"created_at": summary.created_at.isoformat()}
            for summary in eviction.written
        ],
    }
