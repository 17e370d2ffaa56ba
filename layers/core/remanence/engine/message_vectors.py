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


def embed_messages(deps: EngineDeps, *, deadline: float) -> int:
    """Make the vectors that conversations lack, as far as the time goes.

    Safe to repeat, also by two at once: both make the same vectors. A model that does not answer is
    left alone until the next sweep.

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
            made += _embed(deps.for_org(due.org_id), due, deadline)
        except AppError as error:
            log_no_vector(due.model, error)
            silent.add((due.org_id, due.model))
    return made


def _embed(deps: EngineDeps, due: Unembedded, deadline: float) -> int:
    made = 0
    while deps.monotonic() < deadline:
        batch = deps.message_vectors.load_unembedded(due, limit=EMBED_BATCH)
        texts = list(batch.texts.values())
        limit = min(deadline, deps.monotonic() + EMBED_LIMIT_S)
        vectors = deps.models.embed(due.model, texts, deadline=limit) if texts else []
        deps.message_vectors.add_message_vectors(
            due, dict(zip(batch.texts, vectors, strict=True)), to_seq=batch.to_seq
        )
        made += len(vectors)
        if batch.is_last:
            break
    return made
