"""All models by their handles: the one door from the engine to every provider.

Path: engine.run -> Models.call -> a line to a provider, or a model that runs in this process.
Routes by the first part of the handle; knows no JSON. Importing this module imports no provider's
package (tests/llm/test_import_budget.py).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from remanence.core.spend import FREE
from remanence.errors import InvalidRequest, NotFound, NotSupported, SealBroken
from remanence.llm.catalogue import known_window
from remanence.llm.line import Line
from remanence.llm.prices import known_price, user_price
from remanence.llm.retry import Pace
from remanence.llm.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from remanence.core.exchange import Delta, EmbeddingInfo, ModelInfo, Reply, Request
    from remanence.core.spend import Price
    from remanence.llm.local_embeddings import LocalEmbedder
    from remanence.llm.vendors import Provider

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
        self._lines = [self.open_line(provider) for provider in providers]
        self._by_prefix = _by_prefix(self._lines)
        self._unusable: Mapping[str, str] = {}

    def open_line(self, provider: Provider) -> Line:
        """A line to one more provider, at the same pace; it is the caller's to close."""
        return Line(provider, self._pace)

    def joined(self, own: Sequence[Line], unusable: Mapping[str, str], *, shares: bool) -> Models:
        """The models of a tenant, who has providers of its own.

        Args:
            own: lines with the tenant's keys: they go before this deployment's.
            unusable: by the first part of their handles, why models of the tenant's cannot be
                called; nobody else's key stands in.
            shares: whether it may use this deployment's providers too.
        """
        models = copy.copy(self)
        models._unusable = unusable
        taken = {*_by_prefix(own), *unusable}
        ours = [line for line in self._lines if shares and line.provider.name not in taken]
        models._lines = [*own, *ours]
        models._by_prefix = (self._by_prefix if shares else {}) | _by_prefix(own)
        for prefix in unusable:
            models._by_prefix.pop(prefix, None)
        return models

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
        return self._line_of(request.handle).call(request, stream=stream, deadline=deadline)

    def list_models(self, *, deadline: float) -> list[ModelInfo]:
        """What may be called now, the default first. A provider that does not answer is left out.

        Asks each provider, waits a few seconds at most for one, and remembers for a minute.
        """
        found = [i for line in self._lines for i in line.listing(deadline=deadline).models]
        found += [info for model in self._in_process.values() for info in model.model_infos()]
        return sorted(found, key=lambda info: info.handle != self.default_handle)

    def list_embedding_models(self, *, deadline: float) -> list[EmbeddingInfo]:
        """What may embed now, in the same way as list_models."""
        found = [i for line in self._lines for i in line.listing(deadline=deadline).embeddings]
        return [*found, *(self._local.offer() if self._local else ())]

    @property
    def reserved(self) -> frozenset[str]:
        """First parts of handles that a tenant cannot use for whatever it likes."""
        vendors = (prefix for vendor in VENDORS for prefix in vendor.prefixes)
        return frozenset({*vendors, *self._in_process, _LOCAL})

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
        remote = [prefix for prefix, line in self._by_prefix.items() if line.embeds]
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
        line = self._line_of(handle)
        vendor, model = line.provider.vendor, _model(handle)
        known = None if vendor.running_path else known_window(model)
        if line.provider.context_window:
            return line.provider.context_window
        told = _window_in(line.remembered.models, model)
        if told is None and (known is None or vendor.serves_own_window):
            deadline = self._pace.clock() + _WINDOW_ASK_S
            told = _window_in(line.listing(deadline=deadline).models, model)
        return told or known or vendor.default_window

    def price(self, handle: str) -> Price | None:
        """What a model costs; None when nobody knows. A model of this process costs nothing.

        What a vendor charges is not believed of a server that speaks its wire at another address.
        """
        handle = handle or self.default_handle
        said = user_price(self._prices, handle)
        if said is not None or _prefix(handle) in self._in_process:
            return said or FREE
        line = self._by_prefix.get(_prefix(handle))
        if line is None:
            return None
        vendor = line.provider.vendor
        said = user_price(self._prices, f"{vendor.name}/{_model(handle)}")
        if said is not None:
            return said
        if not line.provider.is_at_home:
            return None
        return known_price(vendor.name, _model(handle), line.provider.region)

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
        return self._line_of(handle).embed(_model(handle), texts, deadline=deadline)

    def load(self) -> None:
        """Import every provider's package and make its client; nothing is connected."""
        for line in self._lines:
            line.load()

    def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        for line in self._lines:
            line.closer()

    def _line_of(self, handle: str) -> Line:
        line = self._by_prefix.get(_prefix(handle))
        if line is not None and _model(handle):
            return line
        reason = self._unusable.get(_prefix(handle))
        if reason is not None:
            raise SealBroken(reason)
        names = [*(line.provider.name for line in self._lines), *self._in_process]
        available = ", ".join(f"{name}/..." for name in names) or "no provider is configured"
        raise _no_such(handle, available, what="model", field="model")


def _by_prefix(lines: Sequence[Line]) -> dict[str, Line]:
    return {prefix: line for line in lines for prefix in line.provider.prefixes}


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
