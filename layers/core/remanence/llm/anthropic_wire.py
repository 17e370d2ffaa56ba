"""Anthropic's messages API and its list of models.

Path: models.Models -> AnthropicWire -> anthropic_request / anthropic_reply, client.Client.
One attempt per call: retries are retry.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import ModelInfo
from remanence.llm.anthropic_reply import read_events, read_whole
from remanence.llm.anthropic_request import to_body
from remanence.llm.anthropic_settings import headers_for
from remanence.llm.catalogue import known_window
from remanence.llm.client import Client
from remanence.llm.payload import objects, text, whole

if TYPE_CHECKING:
    from collections.abc import Generator

    from remanence.core.exchange import Delta, EmbeddingInfo, JsonObject, Reply, Request
    from remanence.llm.vendors import Provider


class AnthropicWire:
    """One provider that speaks Anthropic's wire. Safe to share between threads."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._client = Client(provider)

    def call(self, request: Request, *, stream: bool, deadline: float) -> Generator[Delta | Reply]:
        """One model call; see models.Models.call."""
        body = to_body(request, self.provider.vendor, stream=stream)
        headers, path = headers_for(body), "/v1/messages"
        if stream:
            events = self._client.stream(path, body, deadline=deadline, headers=headers)
            yield from read_events(events, request)
        else:
            answer = self._client.post(path, body, deadline=deadline, headers=headers)
            yield read_whole(answer, request)

    def offer(self, *, deadline: float) -> tuple[list[ModelInfo], list[EmbeddingInfo]]:
        """What the server offers now; there are no embeddings on this wire.

        Raises:
            ProviderError: it does not answer.
        """
        answer = self._client.fetch("/v1/models?limit=1000", deadline=deadline)
        entries = objects(answer.get("data"))
        return [self._model_info(entry) for entry in entries if text(entry, "id")], []

    def open(self) -> None:
        """Get ready to call, so that no call's time is spent on it."""
        self._client.open()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _model_info(self, entry: JsonObject) -> ModelInfo:
        provider, vendor, model = self.provider, self.provider.vendor, text(entry, "id")
        window = whole(entry, "max_input_tokens") or known_window(model) or vendor.default_window
        return ModelInfo(
            handle=f"{provider.name}/{model}",
            model=model,
            provider=provider.name,
            provider_type=vendor.provider_type,
            context_window=window,
            endpoint=provider.shown_url,
            display_name=text(entry, "display_name") or model,
            is_tenants=provider.is_tenants,
        )
