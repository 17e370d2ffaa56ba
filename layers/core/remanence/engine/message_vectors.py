"""Giving vectors to what was said, in the schedule: no step waits for them.

Path: engine.sweep -> embed_messages -> models.embed -> db.message_vectors. What has no
vector yet is found by its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.engine.archival import EMBED_BATCH, EMBED_LIMIT_S, log_no_vector
from remanence.errors import AppError

if TYPE_CHECKING:
    from remanence.core.ids import OrgId
    from remanence.core.message_vectors import Unembedded
    from remanence.engine.deps import EngineDeps

# What one sweep looks at; the next one takes the rest.
CONVERSATIONS_LIMIT = 50
AGENTS_LIMIT = 50
# How long a sweep that died, or whose model did not answer, keeps a conversation from the others.
HOLD_MS = 60 * 1000


def embed_messages(deps: EngineDeps, *, deadline: float) -> int:
    """Make the vectors that conversations lack, as far as the time goes.

    An agent that changes to another model gets the vectors of both until it has all of the next
    one's, and changes over then. Safe to repeat, also by two at once: a conversation is claimed. A
    model that does not answer is left alone for the time of the claim.

    Args:
        deps: the world.
        deadline: seconds of `time.monotonic`; nothing new is begun after it.

    Returns:
        How many messages have got one.
    """
    made = 0
    silent: set[tuple[OrgId, str]] = set()
    for due in deps.message_vectors.list_unembedded(limit=CONVERSATIONS_LIMIT):
        if (due.org_id, due.model) in silent:
            continue
        try:
            made += _embed(deps.for_org(due.org_id, remembers=False), due, deadline)
        except AppError as error:
            log_no_vector(due.model, error)
            silent.add((due.org_id, due.model))
    for org_id, agent_id in deps.message_vectors.list_moving_agents(limit=AGENTS_LIMIT):
        deps.message_vectors.change_over(org_id, agent_id)
    return made


def _embed(deps: EngineDeps, due: Unembedded, deadline: float) -> int:
    made = 0
    claim = deps.new_token()
    while deps.monotonic() < deadline:
        batch = deps.message_vectors.load_unembedded(
            due, claim=claim, hold_ms=HOLD_MS, limit=EMBED_BATCH
        )
        if batch is None:
            break
        texts = list(batch.texts.values())
        limit = min(deadline, deps.monotonic() + EMBED_LIMIT_S)
        vectors = deps.models.embed(due.model, texts, deadline=limit) if texts else []
        goes_on = not batch.is_last and deps.monotonic() < deadline
        deps.message_vectors.add_message_vectors(
            due,
            dict(zip(batch.texts, vectors, strict=True)),
            to_seq=batch.to_seq,
            claim=claim,
            hold_ms=HOLD_MS if goes_on else 0,
        )
        made += len(vectors)
        if batch.is_last:
            break
    return made
