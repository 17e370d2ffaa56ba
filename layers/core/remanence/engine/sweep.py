"""The scheduled work: ring for what hangs, call back who was not told, compact what is large.

Path: functions/compact, or the ticker of a server -> sweep -> engine.compact / engine.callback.
What is cheap comes first; what asks a model comes last, for as long as time and allowance last;
vectors come after all.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.engine.callback import call_back
from remanence.engine.compact import compact
from remanence.engine.facts import archive_facts
from remanence.engine.gaps import fill_gaps
from remanence.engine.message_vectors import embed_messages
from remanence.engine.overflow import move_overflow
from remanence.engine.summaries import Allowance
from remanence.errors import AppError, StoreError

if TYPE_CHECKING:
    from remanence.core.claims import Due
    from remanence.engine.deps import EngineDeps

log = logging.getLogger(__name__)

# What one sweep looks at; the next one takes the rest.
SWEEP_LIMIT = 50
# A run is hanging when nobody holds its conversation this long after it was asked for.
HANGING_AFTER_MS = 5_000
# What one sweep may spend on models unless it is told otherwise: calls, and tokens in and out.
SWEEP_CALLS = 200
SWEEP_TOKENS = 2_000_000
_ORDER = ("hanging", "callback", "large")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did: counts of conversations, and of callers who were told of a run's end.

    `moved`: blocks of core memory that were made smaller. `read`: spans of compacted history that
    were read for facts. `model_calls` and `model_tokens` are what summaries and facts cost.
    `embedded`: messages and passages that got vectors.
    """

    rung: int = 0
    compacted: int = 0
    skipped: int = 0
    told: int = 0
    moved: int = 0
    read: int = 0
    model_calls: int = 0
    model_tokens: int = 0
    embedded: int = 0


def sweep(
    deps: EngineDeps,
    *,
    share: float,
    deadline: float,
    model_calls: int = SWEEP_CALLS,
    model_tokens: int = SWEEP_TOKENS,
) -> SweepReport:
    """Ring for hanging runs, call back who was not reached, compact conversations that are large.

    Args:
        deps: the world.
        share: of the context window, 0..1; above it a conversation is large.
        deadline: seconds of `time.monotonic`; nothing new is begun after it.
        model_calls: how often summaries and facts may be asked for.
        model_tokens: what they may cost, in and out. When either is spent, the conversations
            that are left wait for the next sweep.
    """
    rung = compacted = skipped = told = 0
    allowance = Allowance(calls=model_calls, tokens=model_tokens)
    moved = move_overflow(deps, deadline=deadline)
    due = deps.store.list_due(limit=SWEEP_LIMIT, hanging_after_ms=HANGING_AFTER_MS, share=share)
    for item in sorted(due, key=lambda item: _ORDER.index(item.kind)):
        if deps.monotonic() >= deadline:
            break
        if item.kind == "hanging":
            deps.dispatcher.ring(item.org_id, item.conversation_id, "")
            rung += 1
        elif item.kind == "callback":
            told += call_back(deps, item.org_id, item.run_id or "", deadline=deadline)
        elif not allowance.is_spent:
            done = _compacted(deps, item, allowance, deadline)
            compacted += done
            skipped += not done
    read = archive_facts(deps, allowance, deadline=deadline)
    return SweepReport(
        rung=rung,
        compacted=compacted,
        skipped=skipped,
        told=told,
        moved=moved,
        read=read,
        model_calls=model_calls - allowance.calls,
        model_tokens=model_tokens - allowance.tokens,
        embedded=embed_messages(deps, deadline=deadline) + fill_gaps(deps, deadline=deadline),
    )


def _compacted(deps: EngineDeps, item: Due, allowance: Allowance, deadline: float) -> bool:
    """Whether the conversation was compacted; one that cannot be does not stop the others."""
    try:
        return compact(deps, item, allowance, deadline=deadline)
    except Exception as exc:
        log.exception("conversation %s could not be compacted", item.conversation_id)
        if not isinstance(exc, StoreError):  # that passes by itself
            _put_off(deps, item)
        return False


def _put_off(deps: EngineDeps, item: Due) -> None:
    """Leave a conversation alone until more is said in it: it would fail in every sweep."""
    with suppress(AppError):
        deps.store.put_off_compaction(item.org_id, item.conversation_id)
