"""Giving passages the vectors that they lack, in the schedule.

Path: engine.sweep -> fill_gaps -> models.embed -> db.gaps. A passage lacks one when its archive
changes to another model, and when the model did not answer as it was stored. Searches go on with
the vectors there are; the archive changes over with its last passage (gap_load_v1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.gaps import Filling
from remanence.engine.archival import EMBED_BATCH, EMBED_LIMIT_S, log_no_vector
from remanence.engine.remembering import HOURS
from remanence.errors import AppError, ProviderRejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.gaps import Bare, Gap, GapBatch
    from remanence.core.ids import OrgId
    from remanence.engine.deps import EngineDeps

# What one sweep looks at, and how many calls of models it makes; the next one takes the rest.
ARCHIVES_LIMIT = 50
BATCHES_LIMIT = 100
# How long a sweep that died, or whose model did not answer, keeps an archive from the others.
HOLD_MS = 5 * 60 * 1000
# Of a longer text its beginning is embedded, as of messages: models take about as many tokens.
TEXT_LIMIT = 8_000


def fill_gaps(deps: EngineDeps, *, deadline: float) -> int:
    """Make the vectors that passages lack, as far as time and the limit of calls go.

    Safe to repeat, and by two at once: each archive is claimed, and what is stored is not made
    again. A model that does not answer is left alone for the time of the claim.

    Args:
        deps: the world.
        deadline: seconds of `time.monotonic`; nothing new is begun after it.

    Returns:
        How many passages have got one.
    """
    if deps.gaps is None:
        return 0
    if deps.vectors is not None:
        deps.vectors.forget_vectors(hours=HOURS)
    made = 0
    calls = BATCHES_LIMIT
    silent: set[tuple[OrgId, str]] = set()
    for gap in deps.gaps.list_gaps(limit=ARCHIVES_LIMIT):
        if (gap.org_id, gap.model) in silent:
            continue
        filler = _Filler(deps, gap, calls=calls, deadline=deadline)
        try:
            filler.fill()
        except AppError as error:
            log_no_vector(gap.model, error)
            silent.add((gap.org_id, gap.model))
        made += filler.made
        calls = filler.calls
    return made


class _Filler:
    """Fills one archive; `made` and the `calls` that are left count also when it fails."""

    def __init__(self, deps: EngineDeps, gap: Gap, *, calls: int, deadline: float) -> None:
        self.made = 0
        self.calls = calls
        self._deps = deps
        self._gap = gap
        self._claim = deps.new_token()
        self._deadline = deadline

    def fill(self) -> None:
        gaps = self._deps.gaps
        self._deps = self._deps.for_org(self._gap.org_id)
        while gaps is not None and self._goes_on():
            batch = gaps.load_gap(self._gap, claim=self._claim, hold_ms=HOLD_MS, limit=EMBED_BATCH)
            if batch is None:
                return
            filling = self._filling(batch)
            hold_ms = HOLD_MS if self._goes_on() else 0
            gaps.fill_gap(self._gap, filling, claim=self._claim, hold_ms=hold_ms)
            self.made += len(filling.vectors)

    def _goes_on(self) -> bool:
        return self.calls > 0 and self._deps.monotonic() < self._deadline

    def _filling(self, batch: GapBatch) -> Filling:
        """All in one call; when the model refuses that, one by one, to find whose fault it is."""
        made: list[tuple[Bare, Sequence[float]]] = []
        refused: list[str] = []
        try:
            made += self._embedded(batch.model, batch.passages)
        except ProviderRejected:
            for passage in batch.passages:
                try:
                    made += self._embedded(batch.model, [passage])
                except ProviderRejected as error:
                    log_no_vector(batch.model, error)
                    refused.append(passage.id)
        return Filling(
            model=batch.model, cursor_id=batch.passages[-1].id, vectors=made, refused=refused
        )

    def _embedded(
        self, model: str, passages: Sequence[Bare]
    ) -> Sequence[tuple[Bare, Sequence[float]]]:
        self.calls -= 1
        texts = [passage.text[:TEXT_LIMIT] for passage in passages]
        limit = self._deps.monotonic() + EMBED_LIMIT_S
        vectors = self._deps.models.embed(model, texts, deadline=limit)
        return list(zip(passages, vectors, strict=True))
