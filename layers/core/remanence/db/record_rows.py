"""Rows of runs, steps and passages to the records that callers read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from remanence.core.archival import PassageRecord
from remanence.core.callbacks import Callback, DueCallback
from remanence.core.records import RunRecord, StepRecord
from remanence.core.types import Passage
from remanence.db.rows import instant, run_from_row, usage_from_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remanence.core.archival import NewText
    from remanence.core.exchange import JsonObject

Row = dict[str, Any]


def run_record_from_row(row: Row) -> RunRecord:
    """A row of runs, and whether its conversation is the agent's default."""
    run: Row = row["run"]
    error: Row = run["error"] or {}
    return RunRecord(
        run=run_from_row(run),
        in_default_conversation=row["is_default"],
        started_at=instant(run["started_at"]),
        error_message=error.get("message"),
        ttft_ns=run["ttft_ns"],
        callback=callback_from_row(run),
        callback_sent_at=instant(run["callback_sent_at"]),
        callback_status_code=run["callback_status_code"],
        callback_error=run["callback_error"],
    )


def callback_from_row(run: Row) -> Callback | None:
    """Whom a row of runs says to tell of its end."""
    if run["callback_url"] is None:
        return None
    return Callback(url=run["callback_url"], method=run["callback_method"])


def due_callback_from_row(run: Row) -> DueCallback | None:
    """A row of runs whose callback was taken on."""
    callback = callback_from_row(run)
    if callback is None:
        return None
    error: Row = run["error"] or {}
    return DueCallback(
        callback=callback,
        tries=run["callback_tries"],
        run_id=run["id"],
        status=run["status"],
        stop_reason=run["stop_reason"],
        completed_at=instant(run["completed_at"]),
        error_message=error.get("message"),
    )


def step_record_from_row(row: Row) -> StepRecord:
    """A row of steps."""
    error: Row = row["error"] or {}
    return StepRecord(
        id=row["id"],
        run_id=row["run_id"],
        agent_id=row["agent_id"],
        status=row["status"],
        model=row["model"],
        context_window_limit=row["context_window_limit"],
        usage=usage_from_row(row),
        started_at=datetime.fromisoformat(row["started_at"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        stop_reason=row["stop_reason"],
        error_type=error.get("type"),
        error_message=error.get("message"),
        feedback=row["feedback"],
        tags=tuple(row["tags"]),
        llm_ns=row["llm_ns"],
        step_ns=row["step_ns"],
    )


def passage_record_from_row(row: Row) -> PassageRecord:
    """A row of passages, with the model of its archive."""
    return PassageRecord(
        passage=Passage(
            id=row["id"],
            archive_id=row["archive_id"],
            text=row["text"],
            tags=tuple(row["tags"]),
            created_at=datetime.fromisoformat(row["created_at"]),
            metadata=row["metadata"],
        ),
        embedding=row["embedding"],
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def passage_rows(texts: Iterable[NewText]) -> list[JsonObject]:
    """New passages as `insert_passages_v1` takes them."""
    return [
        {
            "id": text.id,
            "text": text.text,
            "tags": list(text.tags),
            "metadata": text.metadata,
            "created_at": text.created_at.isoformat() if text.created_at else None,
            "embedding": list(text.vector.values) if text.vector else None,
            "embedding_model": text.vector.model if text.vector else None,
        }
        for text in texts
    ]
