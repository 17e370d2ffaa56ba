"""What each provider offers, remembered for a while.

Path: models.Models -> Listings.of -> a wire's `offer`.
A provider that does not answer counts as offering nothing, and is left alone for a shorter
while, so that a dead one does not slow every caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from remanence.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.exchange import EmbeddingInfo, ModelInfo
    from remanence.llm.wires import AnyWire

# A list is a convenience: nobody waits long for it.
_ASK_S = 3.0
_FRESH_S = 60.0
_FRESH_AFTER_FAILURE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One provider's offer; `fresh_until` is in seconds of the clock."""

    models: tuple[ModelInfo, ...] = ()
    embeddings: tuple[EmbeddingInfo, ...] = ()
    fresh_until: float = 0.0


class Listings:
    """The last listing of each provider, by its name. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_name: dict[str, Listing] = {}
        self._lock = Lock()

    def of(self, wire: AnyWire, *, deadline: float) -> Listing:
        """The provider's listing, asked for again when it is no longer fresh."""
        name = wire.provider.vendor.name
        with self._lock:
            known = self._by_name.get(name)
        if known is not None and self._clock() < known.fresh_until:
            return known
        wire.open()  # not of the provider's time: the SDK's import may take longer than its answer
        now = self._clock()
        try:
            models, embeddings = wire.offer(deadline=min(deadline, now + _ASK_S))
            listing = Listing(
                models=tuple(models),
                embeddings=tuple(embeddings),
                fresh_until=now + _FRESH_S,
            )
        except ProviderError:
            listing = Listing(fresh_until=now + _FRESH_AFTER_FAILURE_S)
        with self._lock:
            self._by_name[name] = listing
        return listing

    def remembered(self, name: str) -> Listing:
        """The last listing of a provider, however old, without asking."""
        with self._lock:
            return self._by_name.get(name, Listing())
