"""The database as a step sees it: claim and load, commit, compact.

Path: engine.run -> start_run / begin_step -> ... -> commit_step. Each method is one statement in
one round trip; what it writes is whole or absent, and it may be repeated when an answer was lost.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from remanence.core.claims import (
    BlocksMoved,
    Busy,
    Cancelled,
    CancelledRun,
    Claimed,
    Committed,
    Due,
    Idle,
    Known,
    RunProgress,
)
from remanence.core.events import RunError
from remanence.core.exchange import ToolCall
from remanence.core.ids import OrgId
from remanence.core.types import StopReason, run_status_of
from remanence.db.rows import (
    agent_from_row,
    block_from_row,
    counts_from_row,
    message_from_row,
    message_to_row,
    options_to_row,
    run_from_row,
    state_from_row,
    tool_from_row,
    usage_from_row,
)
from remanence.errors import InvalidRequest, LeaseLost, NotFound, PendingApproval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remanence.core.calls import BlockEdit
    from remanence.core.claims import RunOrder
    from remanence.core.compaction import Eviction
    from remanence.core.step import Outcome
    from remanence.core.types import State, StepStatus, TokenAnchor
    from remanence.db.queries import Queries, Row


T = TypeVar("T")

# How long a tool call waits for its approval before any other message may follow it: a month.
APPROVAL_TTL_MS = 30 * 24 * 3600 * 1000


class PostgresStore:
    """Implements `engine.ports.Store`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def start_run(
        self, org_id: OrgId, order: RunOrder, *, run_id: str, lease_token: str, lease_ms: int
    ) -> Claimed | Busy | Known:
        """See `engine.ports.Store`."""
        answer = self._call(
            "start_run",
            org_id=org_id,
            agent_id=order.agent_id,
            conversation_id=order.conversation_id,
            queued=order.background,
            lease_token=lease_token,
            lease_ms=lease_ms,
            answers=list(order.answers),
            approval_ttl_ms=APPROVAL_TTL_MS,
            run={
                "id": run_id,
                "background": order.background,
                "options": options_to_row(order.options),
                "input": [message_to_row(message) for message in order.messages],
                "idempotency_key": order.idempotency_key,
                "request_hash": order.request_hash,
            },
        )
        match answer["outcome"]:
            case "ok":
                return Claimed(state=state_from_row(answer["state"], lease_token))
            case "busy":
                return _busy(answer)
            case "queued" | "exists" as outcome:
                return Known(
                    run_id=answer["run_id"],
                    conversation_id=answer.get("conversation_id"),
                    is_new=outcome == "queued",
                )
            case "mismatch":
                raise InvalidRequest(
                    f"this idempotency key was used for another request (run {answer['run_id']!r});"
                    " use a new key for a new request",
                    field="otid",
                )
            case "pending":
                raise PendingApproval(answer["message_id"], answer["call_ids"])
            case "unasked":
                waiting = ", ".join(answer["call_ids"]) or "none"
                raise InvalidRequest(
                    "an approval answers all tool calls that wait for one, and no others; "
                    f"waiting now: {waiting}",
                    field="approvals",
                )
            case _:
                raise NotFound(answer["kind"], answer["id"])

    def begin_step(
        self, org_id: OrgId, conversation_id: str, *, lease_token: str, lease_ms: int
    ) -> Claimed | Busy | Idle:
        """See `engine.ports.Store`."""
        answer = self._call(
            "begin_step",
            org_id=org_id,
            conversation_id=conversation_id,
            lease_token=lease_token,
            lease_ms=lease_ms,
        )
        match answer["outcome"]:
            case "ok":
                return Claimed(state=state_from_row(answer["state"], lease_token))
            case "busy":
                return _busy(answer)
            case "idle":
                return Idle()
            case _:
                raise NotFound(answer["kind"], answer["id"])

    def commit_step(
        self, state: State, outcome: Outcome, *, lease_ms: int, new_archive_id: str
    ) -> Committed | BlocksMoved | Cancelled:
        """See `engine.ports.Store`."""
        answer = self._call(
            "commit_step",
            org_id=state.org_id,
            conversation_id=state.conversation.id,
            run_id=state.run.id,
            lease_token=state.lease_token,
            fence=state.fence,
            lease_ms=lease_ms,
            agent_version=state.agent.version,
            known_blocks=outcome.changes.new_versions(state.blocks),
            step=_step_row(state, outcome),
            messages=[message_to_row(message) for message in outcome.messages],
            blocks={
                "edited": [_edit_row(edit) for edit in outcome.changes.edited],
                "created": [_edit_row(edit) for edit in outcome.changes.created],
                "detached": list(outcome.changes.detached),
            },
            passages=[
                {
                    "id": passage.id,
                    "text": passage.text,
                    "tags": list(passage.tags),
                    "tool_call_id": passage.tool_call_id,
                    "embedding": None if passage.vector is None else list(passage.vector),
                    "embedding_model": passage.embedding_model,
                }
                for passage in outcome.passages
            ],
            new_archive_id=new_archive_id,
            eviction=_eviction_row(outcome.plan.eviction if outcome.plan else None),
            anchor=asdict(outcome.anchor),
            window_tokens=outcome.window_tokens,
            finish=_finish_row(outcome),
            pending=_pending_row(outcome),
        )
        match answer["outcome"]:
            case "ok":
                return _committed(answer)
            case "conflict":
                return BlocksMoved(
                    blocks=tuple(block_from_row(block) for block in answer["blocks"])
                )
            case "cancelled":
                return Cancelled()
            case _:
                raise LeaseLost(state.conversation.id, state.run.id)

    def cancel_runs(
        self,
        org_id: OrgId,
        *,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        run_ids: Sequence[str] | None = None,
    ) -> list[CancelledRun]:
        """See `engine.ports.Store`."""
        answer: list[Row] = self._queries.call(
            "cancel_runs",
            call=json.dumps(
                {
                    "org_id": org_id,
                    "agent_id": agent_id,
                    "conversation_id": conversation_id,
                    "run_ids": None if run_ids is None else list(run_ids),
                }
            ),
        )
        return [
            CancelledRun(
                run_id=row["id"],
                status="running" if row["status"] == "running" else "cancelled",
            )
            for row in answer
        ]

    def is_cancelled(self, org_id: OrgId, run_id: str) -> bool:
        """See `engine.ports.Store`."""
        row = self._queries.one("is_cancelled", org_id, run_id=run_id)
        return row is None or bool(row["cancel_requested"])

    def load_run_progress(self, org_id: OrgId, run_id: str, *, after_seq: int) -> RunProgress:
        """See `engine.ports.Store`."""
        row = self._queries.one("load_run_progress", org_id, run_id=run_id, after_seq=after_seq)
        if row is None:
            raise NotFound("run", run_id)
        error = row["run"]["error"]
        return RunProgress(
            run=run_from_row(row["run"]),
            messages=tuple(message_from_row(message) for message in row["messages"]),
            usage=usage_from_row(row["usage"]),
            step_count=row["usage"]["steps"],
            error=RunError(type=error["type"], message=error["message"]) if error else None,
        )

    def peek_state(self, org_id: OrgId, conversation_id: str) -> State:
        """See `engine.ports.Store`."""
        row = self._queries.one("peek_state", org_id, conversation_id=conversation_id)
        if row is None or row["state"] is None:
            raise NotFound("conversation", conversation_id)
        return state_from_row(row["state"], lease_token="")

    def commit_compaction(
        self, state: State, eviction: Eviction, *, window_tokens: int, anchor: TokenAnchor
    ) -> bool:
        """See `engine.ports.Store`."""
        answer = self._call(
            "commit_compaction",
            org_id=state.org_id,
            conversation_id=state.conversation.id,
            eviction=_eviction_row(eviction),
            window_tokens=window_tokens,
            anchor=asdict(anchor),
        )
        return bool(answer["outcome"] == "ok")

    def list_due(self, *, limit: int, hanging_after_ms: int, share: float) -> list[Due]:
        """See `engine.ports.Store`."""
        found = self._queries.call(
            "list_due", limit=limit, hanging_after_ms=hanging_after_ms, share=share
        )
        return [
            Due(
                kind=_due_kind(row["kind"]),
                org_id=OrgId(row["org_id"]),
                conversation_id=row["conversation_id"],
            )
            for row in found
        ]

    def _call(self, name: str, **call: object) -> Row:
        answer: Row = self._queries.call(name, call=json.dumps(call))
        return answer


def _due_kind(kind: str) -> Literal["hanging", "large"]:
    return "hanging" if kind == "hanging" else "large"


def _busy(answer: Row) -> Busy:
    return Busy(
        conversation_id=answer["conversation_id"],
        run_id=answer["run_id"],
        hanging=answer.get("hanging", False),
    )


def _committed(answer: Row) -> Committed:
    def given(key: str, convert: Any) -> Any:
        return convert(answer[key]) if key in answer else None

    return Committed(
        next_seq=answer["next_seq"],
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
        "receipt": outcome.plan.context.receipt if outcome.plan else {},
        "llm_ns": outcome.llm_ns,
        "step_ns": outcome.step_ns,
        "started_at": outcome.started_at.isoformat(),
    }


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
    request = outcome.messages[0]
    return {
        "message_id": request.id,
        "call_ids": [p.tool_call_id for p in request.parts if isinstance(p, ToolCall)],
    }


def _eviction_row(eviction: Eviction | None) -> Row | None:
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
