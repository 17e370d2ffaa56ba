"""The database as a step sees it: claim and load, commit, compact.

Path: engine.run -> start_run / begin_step -> ... -> commit_step. Each method is one statement in
one round trip; what it writes is whole or absent, and it may be repeated when an answer was lost.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, TypeVar

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
from remanence.core.events import Compacted, RunError
from remanence.core.ids import OrgId
from remanence.db.record_rows import due_callback_from_row
from remanence.db.rows import (
    block_from_row,
    message_from_row,
    overridden,
    run_from_row,
    stand_in_from_row,
    state_from_row,
    summary_from_row,
    usage_from_row,
)
from remanence.db.step_rows import (
    busy,
    commit_call,
    committed,
    due_kind,
    eviction_to_row,
    refusal,
    run_to_row,
)
from remanence.db.storable import storable_json
from remanence.errors import LeaseLost, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remanence.core.callbacks import CallbackAnswer, DueCallback
    from remanence.core.claims import CompactionOutcome, RunOrder
    from remanence.core.compaction import Eviction
    from remanence.core.step import Outcome
    from remanence.core.summaries import StandIn
    from remanence.core.types import Block, Conversation, State, TokenAnchor
    from remanence.db.queries import Queries, Row


T = TypeVar("T")

# How long a step that holds blocks may think before it is cut off: it only applies a reply.
HOLD_MS = 5_000
# Two methods commit a step, and there is one statement for it.
_COMMIT = "commit_step"
# How many summaries one compaction has written anew: it is a model call each.
STAND_INS = 8


class PostgresStore:
    """Implements `engine.ports.Store`."""

    def __init__(self, queries: Queries, *, hold_ms: int = HOLD_MS) -> None:
        self._queries = queries
        self._hold_ms = hold_ms

    def start_run(
        self, org_id: OrgId, order: RunOrder, *, run_id: str, lease_token: str, lease_ms: int
    ) -> Claimed | Busy | Known:
        """See `engine.ports.Store`."""
        answer = self._call(
            "start_run",
            org_id=org_id,
            agent_id=order.agent_id,
            conversation_id=order.conversation_id,
            queued=order.is_queued,
            lease_token=lease_token,
            lease_ms=lease_ms,
            answers=list(order.answers),
            run=run_to_row(order, run_id),
        )
        match answer["outcome"]:
            case "ok":
                return Claimed(state=state_from_row(answer["state"], lease_token))
            case "busy":
                return busy(answer)
            case "queued" | "exists" as outcome:
                return Known(
                    run_id=answer["run_id"],
                    conversation_id=answer.get("conversation_id"),
                    is_new=outcome == "queued",
                )
            case _:
                raise refusal(answer)

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
                return busy(answer)
            case "idle":
                return Idle()
            case _:
                raise NotFound(answer["kind"], answer["id"])

    def commit_step(
        self, state: State, outcome: Outcome, *, lease_ms: int, new_archive_id: str
    ) -> Committed | BlocksMoved | Cancelled:
        """See `engine.ports.Store`."""
        answer = self._call(
            _COMMIT,
            **commit_call(state, outcome),
            lease_ms=lease_ms,
            new_archive_id=new_archive_id,
        )
        return _what_came(answer, state)

    def commit_step_alone(
        self,
        state: State,
        make: Callable[[tuple[Block, ...] | None], Outcome],
        *,
        lease_ms: int,
        new_archive_id: str,
    ) -> Committed | BlocksMoved | Cancelled:
        """See `engine.ports.Store`."""

        def commit(found: Row) -> Row:
            rows = found["blocks"]
            blocks = None if rows is None else tuple(block_from_row(row) for row in rows)
            fresh = state if blocks is None else replace(state, blocks=blocks)
            call = commit_call(fresh, make(blocks))
            call |= {"lease_ms": lease_ms, "new_archive_id": new_archive_id}
            return {"call": storable_json(call)}

        place = {
            "org_id": state.org_id,
            "conversation_id": state.conversation.id,
            "run_id": state.run.id,
            "step_no": state.step_no,
            "lease_token": state.lease_token,
            "hold_ms": self._hold_ms,
        }
        answer: Row = self._queries.call_in_turn(
            "lock_step", {"call": storable_json(place)}, _COMMIT, commit
        )
        return _what_came(answer, state)

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
            compactions={
                step_id: Compacted(
                    summary=summary_from_row(summary), context_window=row["context_window"]
                )
                for step_id, summary in row["compactions"].items()
            },
            is_hanging=row["is_hanging"],
            is_gone=row["is_gone"],
        )

    def peek_state(self, org_id: OrgId, conversation_id: str) -> State:
        """See `engine.ports.Store`."""
        row = self._queries.one("peek_state", org_id, conversation_id=conversation_id)
        if row is None or row["state"] is None:
            raise NotFound("conversation", conversation_id)
        return state_from_row(row["state"], lease_token="")

    def claim_compaction(
        self, org_id: OrgId, conversation_id: str, *, token: str, hold_ms: int
    ) -> bool:
        """See `engine.ports.Store`."""
        row = self._queries.one(
            "claim_compaction",
            org_id,
            conversation_id=conversation_id,
            token=token,
            hold_ms=hold_ms,
        )
        return row is not None

    def release_compaction(self, org_id: OrgId, conversation_id: str, *, token: str) -> None:
        """See `engine.ports.Store`."""
        self._queries.rows(
            "release_compaction", org_id, conversation_id=conversation_id, token=token
        )

    def list_stand_ins(
        self, org_id: OrgId, conversation_id: str, *, limit: int = STAND_INS
    ) -> list[StandIn]:
        """See `engine.ports.Store`."""
        rows = self._queries.rows(
            "list_stand_ins", org_id, conversation_id=conversation_id, limit=limit
        )
        return [stand_in_from_row(row) for row in rows]

    def commit_compaction(
        self,
        state: State,
        eviction: Eviction,
        *,
        token: str,
        window_tokens: int,
        anchor: TokenAnchor,
    ) -> CompactionOutcome:
        """See `engine.ports.Store`."""
        answer = self._call(
            "commit_compaction",
            org_id=state.org_id,
            conversation_id=state.conversation.id,
            token=token,
            eviction=eviction_to_row(eviction),
            window_tokens=window_tokens,
            anchor=asdict(anchor),
        )
        outcome: CompactionOutcome = answer["outcome"]
        return outcome

    def put_off_compaction(self, org_id: OrgId, conversation_id: str) -> None:
        """See `engine.ports.Store`."""
        self._queries.rows("put_off_compaction", org_id, conversation_id=conversation_id)

    def list_due(self, *, limit: int, hanging_after_ms: int, share: float) -> list[Due]:
        """See `engine.ports.Store`."""
        found = self._queries.call(
            "list_due", limit=limit, hanging_after_ms=hanging_after_ms, share=share
        )
        return [
            Due(
                kind=due_kind(row["kind"]),
                org_id=OrgId(row["org_id"]),
                conversation_id=row["conversation_id"],
                run_id=row["run_id"],
            )
            for row in found
        ]

    def claim_callback(self, org_id: OrgId, run_id: str, *, hold_s: int) -> DueCallback | None:
        """See `engine.ports.Store`."""
        row = self._queries.one("claim_callback", org_id, run_id=run_id, hold_s=hold_s)
        return None if row is None else due_callback_from_row(row["run"])

    def record_callback(
        self, org_id: OrgId, run_id: str, answer: CallbackAnswer, *, pause_s: int | None
    ) -> None:
        """See `engine.ports.Store`."""
        self._queries.rows(
            "record_callback",
            org_id,
            run_id=run_id,
            status_code=answer.status_code,
            error=answer.error,
            pause_s=pause_s,
        )

    def _call(self, name: str, **call: object) -> Row:
        answer: Row = self._queries.call(name, call=storable_json(call))
        return answer


def _what_came(answer: Row, state: State) -> Committed | BlocksMoved | Cancelled:
    """The answer of a commit."""
    match answer["outcome"]:
        case "ok":
            return _in_conversation(committed(answer), state.conversation)
        case "conflict":
            return BlocksMoved(blocks=tuple(block_from_row(block) for block in answer["blocks"]))
        case "cancelled":
            return Cancelled()
        case "gone":
            raise NotFound("conversation", state.conversation.id)
        case _:
            raise LeaseLost(state.conversation.id, state.run.id)


def _in_conversation(done: Committed, conversation: Conversation) -> Committed:
    """What others changed, as it holds where the step was taken."""
    if done.agent is None:
        return done
    return replace(done, agent=overridden(done.agent, conversation))
