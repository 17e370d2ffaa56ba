"""The scheduled reading of facts: what history says for good becomes archival memory.

Path: engine.sweep -> archive_facts -> core.fact_request -> (a model) -> core.fact_judge ->
core.fact_merge -> store. Never on the way of a message. One model call per span; an answer that
dies with its worker before it is stored is asked for again, as in a step. What the model answers
cannot stop anything: nonsense is a span without facts.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from remanence.core.archival import NewText
from remanence.core.fact_judge import judge_facts
from remanence.core.fact_merge import merge
from remanence.core.fact_request import facts_request, read_span
from remanence.engine.archival import with_vectors
from remanence.engine.points import Point
from remanence.engine.spend import asked
from remanence.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.facts import Fact
    from remanence.core.read_facts import FactsDue, FactSpan
    from remanence.core.types import State
    from remanence.engine.deps import EngineDeps
    from remanence.engine.summaries import Allowance
    from remanence.engine.sweep_ports import FactStore

log = logging.getLogger(__name__)

# What one sweep reads; the next one takes the rest.
SPANS_PER_SWEEP = 20
# Of the context window, what one span may hold.
SPAN_SHARE = 0.6
# A span whose model never answers is passed over after so many attempts, each after twice the pause
# of the one before (nine hours in all): its words stay in recall.
MOST_ATTEMPTS = 8
# Others would have to change the same archive's facts that often in a row for a span to wait.
_TRIES = 5


def archive_facts(deps: EngineDeps, allowance: Allowance, *, deadline: float) -> int:
    """Read the compacted history of agents that want it for facts.

    Args:
        deps: the world.
        allowance: what may be spent on models; the rest waits for the next sweep.
        deadline: seconds of `deps.monotonic`; no span is begun after it.

    Returns:
        How many spans were read.
    """
    if deps.facts is None:
        return 0
    read = 0
    for due in deps.facts.list_facts_due(limit=SPANS_PER_SWEEP):
        if deps.monotonic() >= deadline or allowance.is_spent:
            break
        try:
            read += _read(deps, deps.facts, due, allowance, deadline)
        except AppError as error:  # the claim runs out, and another sweep tries again
            log.warning("no facts from conversation %s: %s", due.conversation_id, error.code)
        except Exception:  # and so it does here; the others are read
            log.exception("no facts from conversation %s", due.conversation_id)
    return read


def _read(
    deps: EngineDeps, store: FactStore, due: FactsDue, allowance: Allowance, deadline: float
) -> bool:
    span = store.claim_facts(
        due, hold_ms=deps.lease_ms, share=SPAN_SHARE, most_attempts=MOST_ATTEMPTS
    )
    if span is None:
        return False
    state = deps.store.peek_state(span.org_id, span.conversation_id)
    deps = deps.for_org(state.org_id, state.own_providers)
    agent = state.agent
    facts = _facts_of(deps, state, span, allowance, deadline)
    for _ in range(_TRIES):
        known = store.load_known_facts(span.org_id, agent.id, facts)
        changes = merge(known.facts, facts, lambda: deps.new_id("passage"))
        deps.reach(Point.BEFORE_FACTS)
        texts = [NewText(id=each.passage_id, text=each.fact.text) for each in changes.created]
        done = store.commit_facts(
            span,
            known,
            changes,
            texts=with_vectors(deps.models, deps.monotonic, agent.embedding, texts),
            new_archive_id=deps.new_id("archive"),
        )
        if done:
            deps.reach(Point.AFTER_FACTS)
            return True
    log.warning("the facts of agent %s change too often to be merged", agent.id)
    return False


def _facts_of(
    deps: EngineDeps, state: State, span: FactSpan, allowance: Allowance, deadline: float
) -> Sequence[Fact]:
    """What a model reads in the span; without anything said, it is not asked.

    Raises:
        AppError: it did not answer, or the agent has no money left for it.
    """
    tz = deps.zones(state.agent.timezone)
    lines = read_span(span.messages, tz)
    if not lines:
        return ()
    limit = min(deadline, deps.monotonic() + deps.step_limit_s)
    request = facts_request(state.agent, lines)
    reply = None
    try:
        reply = asked(deps, state, request, limit)
    finally:
        allowance.spend(request, reply)
    return judge_facts(reply, lines, tz=tz)
