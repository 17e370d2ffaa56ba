"""A line to one provider with one key: calls with retries, and what is offered, for a while.

Path: models.Models -> Line -> a wire.
What has failed on a line, and what was listed on it, is its own: nobody with another key learns
of it. A provider that does not answer counts as offering nothing, and is left alone for a
shorter while, so that a dead one does not slow every caller.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from remanence.errors import NotSupported, ProviderError
from remanence.llm.anthropic_wire import AnthropicWire
from remanence.llm.circuit import Circuit
from remanence.llm.retry import retrying
from remanence.llm.wires import embeds, open_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from remanence.core.exchange import Delta, EmbeddingInfo, ModelInfo, Reply, Request
    from remanence.llm.retry import Pace
    from remanence.llm.vendors import Provider

# A list is a convenience: nobody waits long for it.
_ASK_S = 3.0
_FRESH_S = 60.0
_FRESH_AFTER_FAILURE_S = 10.0
# Of how many models it is known how they work; a name costs nothing, so it comes from anywhere.
_MOST_CIRCUITS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One provider's offer; `fresh_until` is in seconds of the clock."""

    models: tuple[ModelInfo, ...] = ()
    embeddings: tuple[EmbeddingInfo, ...] = ()
    fresh_until: float = 0.0


class Line:
    """Calls to one provider with one key. Safe to share between threads."""

    def __init__(self, provider: Provider, pace: Pace) -> None:
        self.provider = provider
        self.remembered = Listing()  # the last one, however old
        self._wire = open_wire(provider)
        self._circuits: dict[str, Circuit] = {}
        self._pace = pace

    @property
    def embeds(self) -> bool:
        """Whether there are embeddings on it."""
        return embeds(self._wire)

    def call(self, request: Request, *, stream: bool, deadline: float) -> Generator[Delta | Reply]:
        """See `Models.call`."""

        def begin() -> tuple[Delta | Reply, Generator[Delta | Reply]]:
            items = self._wire.call(request, stream=stream, deadline=deadline)
            return next(items), items

        with self._circuit(request.handle).call():
            first, rest = retrying(begin, deadline=deadline, pace=self._pace)
        with closing(rest):
            yield first
            yield from rest

    def embed(self, model: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """See `Models.embed`."""
        wire = self._wire
        if isinstance(wire, AnthropicWire):
            raise NotSupported(f"{self.provider.name} has no embedding models")
        size = self.provider.vendor.embed_batch
        vectors: list[list[float]] = []
        for start in range(0, len(texts), size):
            batch = texts[start : start + size]
            ask = partial(wire.embed, model, batch, deadline=deadline)
            with self._circuit(f"{self.provider.name}/{model}").call():
                vectors += retrying(ask, deadline=deadline, pace=self._pace)
        return vectors

    def _circuit(self, handle: str) -> Circuit:
        """Each model has its own: one that is overloaded shuts out no other."""
        if len(self._circuits) >= _MOST_CIRCUITS:
            self._circuits.clear()
        return self._circuits.setdefault(handle, Circuit(handle, self._pace.clock))

    def listing(self, *, deadline: float) -> Listing:
        """What the provider offers, asked for again when it is no longer fresh."""
        if self._pace.clock() < self.remembered.fresh_until:
            return self.remembered
        self._wire.open()  # not of the provider's time: the SDK's import may take longer
        now = self._pace.clock()
        try:
            models, embeddings = self._wire.offer(deadline=min(deadline, now + _ASK_S))
            self.remembered = Listing(
                models=tuple(models),
                embeddings=tuple(embeddings),
                fresh_until=now + _FRESH_S,
            )
        except ProviderError:
            self.remembered = Listing(fresh_until=now + _FRESH_AFTER_FAILURE_S)
        return self.remembered

    def check(self, *, deadline: float) -> None:
        """Ask for the provider's list, to see whether the key is taken.

        Raises:
            ProviderError: one of its kinds.
        """
        self._wire.offer(deadline=deadline)

    def load(self) -> None:
        """Import the provider's package and make its client; nothing is connected."""
        self._wire.open()

    @property
    def closer(self) -> Callable[[], None]:
        """What closes its connections, without keeping the line alive; a later call opens new."""
        return self._wire.close
