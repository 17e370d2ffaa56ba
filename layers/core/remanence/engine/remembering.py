"""Not paying twice for the vector of the same text.

Path: engine.archival, engine.lookups, engine.gaps -> Remembering.embed -> VectorMemory, and the
model for what is not there. A memory that fails costs a call of the model, and nothing else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from remanence.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from remanence.core.exchange import Delta, Reply, Request
    from remanence.core.ids import OrgId
    from remanence.core.spend import Price
    from remanence.engine.archival import Embedder
    from remanence.engine.ports import Models

log = logging.getLogger(__name__)

# Texts that an organization's memory holds, 8 MB of 768 numbers each; and for how long unused.
MOST = 5_000
HOURS = 7 * 24


class VectorMemory(Protocol):
    """Vectors of texts that were embedded lately. Each method is one round trip."""

    def find_vectors(
        self, org_id: OrgId, model: str, texts: Sequence[str]
    ) -> Mapping[str, list[float]]:
        """The vectors of those texts that are remembered, by text."""
        ...

    def keep_vectors(
        self, org_id: OrgId, model: str, vectors: Mapping[str, Sequence[float]], *, most: int
    ) -> None:
        """Remember vectors by their texts; of all, `most` at most."""
        ...

    def forget_vectors(self, *, hours: int) -> int:
        """Forget what nobody has needed for so long, of all organizations; how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembering:
    """An embedder that remembers, for one organization."""

    embedder: Embedder
    memory: VectorMemory
    org_id: OrgId

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text. Raises what the embedder does."""
        wanted = list(dict.fromkeys(texts))
        known = self._known(handle, wanted)
        missing = [text for text in wanted if text not in known]
        made = self._made(handle, missing, deadline)
        if len({len(values) for values in (*known.values(), *made.values())}) > 1:
            # what the handle means has changed: vectors of two lengths do not compare
            known, made = {}, self._made(handle, wanted, deadline)
        if made:
            self._keep(handle, made)
        return [known[text] if text in known else made[text] for text in texts]

    def _made(self, handle: str, texts: Sequence[str], deadline: float) -> dict[str, list[float]]:
        if not texts:
            return {}
        vectors = self.embedder.embed(handle, texts, deadline=deadline)
        return dict(zip(texts, vectors, strict=True))

    def _known(self, handle: str, texts: Sequence[str]) -> Mapping[str, list[float]]:
        try:
            return self.memory.find_vectors(self.org_id, handle, texts) if texts else {}
        except StoreError as error:
            log.warning("no vectors are remembered: %s", error.code)
            return {}

    def _keep(self, handle: str, made: Mapping[str, Sequence[float]]) -> None:
        try:
            self.memory.keep_vectors(self.org_id, handle, made, most=MOST)
        except StoreError as error:
            log.warning("vectors are not remembered: %s", error.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberingModels:
    """The models of an organization, whose vectors are remembered."""

    models: Models
    vectors: Remembering

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        """See `engine.ports.Models`."""
        return self.models.call(request, stream=stream, deadline=deadline)

    def price(self, handle: str) -> Price | None:
        """See `engine.ports.Models`."""
        return self.models.price(handle)

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """See `engine.ports.Models`."""
        return self.vectors.embed(handle, texts, deadline=deadline)
