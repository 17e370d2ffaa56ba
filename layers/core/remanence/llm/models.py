"""All models by their handles: the one door from the engine to every provider.

Path: engine.run -> Models.call -> a wire, or a model that runs in this process.
Routes by the first part of the handle and adds retries; knows no JSON. Importing this module
imports no provider's package (tests/llm/test_import_budget.py).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from remanence.core.spend import FREE
from remanence.errors import (
    InvalidRequest,
    NotFound,
    NotSupported,
    ProviderOverloaded,
    ProviderTimeout,
)
from remanence.llm.anthropic_wire import AnthropicWire
from remanence.llm.catalogue import known_window
from remanence.llm.circuit import Circuit
from remanence.llm.listings import Listings
from remanence.llm.prices import known_price, user_price
from remanence.llm.retry import Pace, retrying
from remanence.llm.wires import embeds, open_wire

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from remanence.core.exchange import Delta, EmbeddingInfo, ModelInfo, Reply, Request
    from remanence.core.spend import Price
    from remanence.llm.local_embeddings import LocalEmbedder
    from remanence.llm.vendors import Provider
    from remanence.llm.wires import AnyWire

# What a caller who only wants to know a window waits for a server at most.
_WINDOW_ASK_S = 3.0
# First part of the handles of sentence models that run on this machine.
_LOCAL = "local"


class InProcessModel(Protocol):
    """A model without a provider: the demonstration, or a script."""

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        """As `Models.call`; what it raises is not tried again."""
        ...

    def model_infos(self) -> Sequence[ModelInfo]:
        """What it is called; the first one speaks for handles that are not listed."""
        ...


class Models:
    """Every model this deployment can call. Safe to share between threads.

    Deadlines are in seconds of `time.monotonic`; by then an answer is complete or an error.

    Args:
        providers: network providers, as vendors.configured finds them.
        in_process: models of this process by the first part of their handles.
        default_handle: used where a request names no model; "" when there is none.
        pace: time and chance for retries.
        prices: what the user says that models cost, see prices.read_prices.
        local: computes vectors on this machine, for handles that begin with `local/`.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        in_process: Mapping[str, InProcessModel] | None = None,
        default_handle: str = "",
        pace: Pace | None = None,
        prices: Mapping[str, Price] | None = None,
        local: LocalEmbedder | None = None,
    ) -> None:
        self._local = local
        self.default_handle = default_handle
        self._prices = prices or {}
        self._pace = pace or Pace()
        self._in_process = dict(in_process or {})
        self._wires = [open_wire(provider) for provider in providers]
        self._by_prefix = {p: wire for wire in self._wires for p in wire.provider.vendor.prefixes}
        self._listings = Listings(self._pace.clock)
        names = [wire.provider.vendor.name for wire in self._wires]
        self._circuits = {name: Circuit(name, self._pace.clock) for name in names}

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        """One model call: fragments if `stream`, and always the one whole Reply last.

        Closing the iterator hangs up. Failures before the first fragment may have been tried
        again (retry.py); after it nothing is.

        Raises:
            NotFound: no provider of this handle, at once; says what there is.
            InvalidRequest: the handle has no `/`, or the request asks what the wire has not.
            ProviderError: one of its kinds, from the iterator.
        """
        request = replace(request, handle=request.handle or self.default_handle)
        local = self._in_process.get(_prefix(request.handle))
        if local is not None:
            return local.call(request, stream=stream, deadline=deadline)
        return self._attempts(self._wire_of(request.handle), request, stream, deadline)

    def list_models(self, *, deadline: float) -> list[ModelInfo]:
        """What may be called now, the default first. A provider that does not answer is left out.

        Asks each provider, waits a few seconds at most for one, and remembers for a minute.
        """
        found = [i for w in self._wires for i in self._listings.of(w, deadline=deadline).models]
        found += [info for model in self._in_process.values() for info in model.model_infos()]
        return sorted(found, key=lambda info: info.handle != self.default_handle)

    def list_embedding_models(self, *, deadline: float) -> list[EmbeddingInfo]:
        """What may embed now, in the same way as list_models."""
        found = [i for w in self._wires for i in self._listings.of(w, deadline=deadline).embeddings]
        return [*found, *(self._local.offer() if self._local else ())]

    def knows(self, handle: str) -> bool:
        """Whether there is a provider for this handle; nobody is asked for the model itself."""
        there = {*self._by_prefix, *self._in_process}
        return bool(_model(handle)) and _prefix(handle) in there

    def knows_embedding(self, handle: str) -> bool:
        """Whether there is a provider for this handle that can embed; nobody is asked."""
        return bool(_model(handle)) and _prefix(handle) in self._embedding_prefixes()

    def check_embedding(self, handle: str) -> None:
        """Refuse an embedding model that cannot be called.

        Raises:
            NotFound: no provider of this handle embeds; says which do.
            NotSupported: it would run on this machine, and what runs it is not installed.
            InvalidRequest: the handle has no `/`.
        """
        if self._local and _prefix(handle) == _LOCAL and _model(handle):
            self._local.check(_model(handle))
        elif not self.knows_embedding(handle):
            names = self._embedding_prefixes()
            available = ", ".join(f"{n}/..." for n in names) or "no provider that embeds"
            raise _no_such(handle, available, what="embedding model", field="embedding")

    def _embedding_prefixes(self) -> list[str]:
        remote = [p for p, wire in self._by_prefix.items() if embeds(wire)]
        return [*remote, _LOCAL] if self._local else remote

    def context_window(self, handle: str) -> int:
        """Tokens that a prompt for this model may hold.

        What the user or the server says goes before the table of known names; the network is
        asked only when neither has said anything, for a few seconds, and may fail.

        Raises:
            NotFound, InvalidRequest: as `call`.
        """
        handle = handle or self.default_handle
        local = self._in_process.get(_prefix(handle))
        if local is not None:
            infos = local.model_infos()
            return next((i for i in infos if i.handle == handle), infos[0]).context_window
        wire = self._wire_of(handle)
        vendor, model = wire.provider.vendor, _model(handle)
        known = None if vendor.running_path else known_window(model)
        if wire.provider.context_window:
            return wire.provider.context_window
        told = _window_in(self._listings.remembered(vendor.name).models, model)
        if told is None and (known is None or vendor.serves_own_window):
            deadline = self._pace.clock() + _WINDOW_ASK_S
            told = _window_in(self._listings.of(wire, deadline=deadline).models, model)
        return told or known or vendor.default_window

    def price(self, handle: str) -> Price | None:
        """What a model costs; None when nobody knows. A model of this process costs nothing.

        What a vendor charges is not believed of a server that speaks its wire at another address.
        """
        handle = handle or self.default_handle
        said = user_price(self._prices, handle)
        if said is not None or _prefix(handle) in self._in_process:
            return said or FREE
        wire = self._by_prefix.get(_prefix(handle))
        if wire is None:
            return None
        vendor = wire.provider.vendor
        if vendor.default_base_url not in (None, wire.provider.base_url):
            return None
        return known_price(vendor.name, _model(handle))

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text, in order, all of one length.

        Raises:
            NotFound, InvalidRequest: as `call`.
            NotSupported: the provider has no embeddings.
            ProviderError: one of its kinds.
        """
        if self._local and _prefix(handle) == _LOCAL and _model(handle):
            return self._local.embed(_model(handle), texts, deadline=deadline)
        if _prefix(handle) in self._in_process:
            raise NotSupported(f"{handle!r} runs in this process and embeds nothing")
        wire = self._wire_of(handle)
        if isinstance(wire, AnthropicWire):
            raise NotSupported(f"{wire.provider.vendor.name} has no embedding models")
        size, model = wire.provider.vendor.embed_batch, _model(handle)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), size):
            batch = texts[start : start + size]
            vectors += retrying(
                partial(wire.embed, model, batch, deadline=deadline),
                deadline=deadline,
                pace=self._pace,
            )
        return vectors

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        for wire in self._wires:
            wire.close()

    def _attempts(
        self, wire: AnyWire, request: Request, stream: bool, deadline: float
    ) -> Generator[Delta | Reply]:
        def begin() -> tuple[Delta | Reply, Generator[Delta | Reply]]:
            items = wire.call(request, stream=stream, deadline=deadline)
            return next(items), items

        circuit = self._circuits[wire.provider.vendor.name]
        circuit.enter()
        try:
            first, rest = retrying(begin, deadline=deadline, pace=self._pace)
        except (ProviderOverloaded, ProviderTimeout):
            circuit.failed()
            raise
        circuit.worked()
        with closing(rest):
            yield first
            yield from rest

    def _wire_of(self, handle: str) -> AnyWire:
        wire = self._by_prefix.get(_prefix(handle))
        if wire is None or not _model(handle):
            raise self._unknown(handle)
        return wire

    def _unknown(self, handle: str) -> NotFound | InvalidRequest:
        names = [*(wire.provider.vendor.name for wire in self._wires), *self._in_process]
        available = ", ".join(f"{name}/..." for name in names) or "no provider is configured"
        return _no_such(handle, available, what="model", field="model")


def _no_such(handle: str, available: str, *, what: str, field: str) -> NotFound | InvalidRequest:
    if not _model(handle):
        article = "an" if what[0] in "aeiou" else "a"
        return InvalidRequest(
            f"{article} {what} is named as provider/model, and this is {handle!r} "
            f"(available: {available})",
            field=field,
        )
    return NotFound(what, handle, hint=f"available: {available}")


def _prefix(handle: str) -> str:
    return handle.partition("/")[0]


def _model(handle: str) -> str:
    return handle.partition("/")[2]


def _window_in(infos: Sequence[ModelInfo], model: str) -> int | None:
    # Ollama lists `name:latest` for what may be called `name`.
    names = {model, f"{model}:latest"}
    return next((info.context_window for info in infos if info.model in names), None)
