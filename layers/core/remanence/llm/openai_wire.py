"""OpenAI's chat completions, responses, models and embeddings, for all who speak them.

Path: models.Models -> OpenAIWire -> openai_[responses_]request / _reply, client.Client.
One attempt per call: retries are retry.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import EmbeddingInfo, ModelInfo
from remanence.errors import ProviderBadReply, ProviderError, ProviderRejected
from remanence.llm import openai_responses_reply as responses_reply
from remanence.llm import openai_responses_request as responses_request
from remanence.llm.catalogue import (
    is_chat,
    is_embedding,
    known_dim,
    known_window,
    openai_traits,
)
from remanence.llm.client import Client
from remanence.llm.faults import NO_TOOLS
from remanence.llm.openai_reply import read_chunks, read_whole
from remanence.llm.openai_request import to_body
from remanence.llm.payload import as_vector, objects, text, whole
from remanence.llm.text_calls import recognised
from remanence.llm.text_tools import told_as_text

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from remanence.core.exchange import Delta, JsonObject, JsonValue, Reply, Request
    from remanence.llm.vendors import Provider

# What servers call the number of tokens a model takes: OpenRouter, vLLM, Groq, LM Studio.
_WINDOW_FIELDS = ("context_length", "max_model_len", "context_window", "max_context_length")

# How much of a request to the Responses API is left out at most, see `conceded`.
_CONCESSIONS = 2


class OpenAIWire:
    """One provider that speaks OpenAI's wire. Safe to share between threads."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._client = Client(provider)
        self._has_summaries = True
        # Models that refused a request with tools; a later process finds out again.
        self._toolless: set[str] = set()

    def call(self, request: Request, *, stream: bool, deadline: float) -> Generator[Delta | Reply]:
        """One model call; see models.Models.call."""
        if self._uses_responses(request):
            yield from self._respond(request, stream=stream, deadline=deadline)
            return
        if not self.provider.vendor.text_calls or not request.tools:
            yield from self._chat(request, stream=stream, deadline=deadline)
            return
        model = request.handle.partition("/")[2]
        if model not in self._toolless:
            try:
                items = self._chat(request, stream=stream, deadline=deadline)
                yield from recognised(items, request)
            except ProviderRejected as error:
                if NO_TOOLS not in error.about:
                    raise
                self._toolless.add(model)
            else:
                return
        items = self._chat(told_as_text(request), stream=stream, deadline=deadline)
        yield from recognised(items, request)

    def offer(self, *, deadline: float) -> tuple[list[ModelInfo], list[EmbeddingInfo]]:
        """What the server offers now, for chat and for embeddings.

        Raises:
            ProviderError: it does not answer.
        """
        answer = self._client.fetch("/models", deadline=deadline)
        running = self._running_windows(deadline)
        chat: list[ModelInfo] = []
        embedding: list[EmbeddingInfo] = []
        for entry in objects(answer.get("data")):
            # Gemini lists `models/<name>`, and is called with the name.
            model = text(entry, "id").removeprefix("models/")
            if is_embedding(model):
                embedding.append(self._embedding_info(model))
            elif model and (is_chat(model) or not self.provider.vendor.lists_everything):
                chat.append(self._model_info(model, entry, running))
        return chat, embedding

    def embed(self, model: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text, for at most `embed_batch` texts.

        Raises:
            ProviderError: one of its kinds; ProviderBadReply when vectors are missing.
        """
        # The wire refuses an empty text.
        given: list[JsonValue] = [said or " " for said in texts]
        body: JsonObject = {"model": model, "input": given, "encoding_format": "float"}
        answer = self._client.post("/embeddings", body, deadline=deadline, headers={})
        entries = objects(answer.get("data"))
        places = [whole(entry, "index") for entry in entries]
        if sorted(p for p in places if p is not None) == list(range(len(texts))):
            entries.sort(key=lambda entry: whole(entry, "index") or 0)
        vectors = [as_vector(entry.get("embedding")) for entry in entries]
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise ProviderBadReply(
                f"{model} was given {len(texts)} texts and returned {len(vectors)} vectors, "
                "or vectors of several lengths"
            )
        return vectors

    def open(self) -> None:
        """Get ready to call, so that no call's time is spent on it."""
        self._client.open()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _chat(self, request: Request, *, stream: bool, deadline: float) -> Generator[Delta | Reply]:
        body = to_body(request, self.provider.vendor, stream=stream)
        path = "/chat/completions"
        if stream:
            chunks = self._client.stream(path, body, deadline=deadline, headers={})
            yield from read_chunks(chunks, request)
        else:
            answer = self._client.post(path, body, deadline=deadline, headers={})
            yield read_whole(answer, request)

    def _uses_responses(self, request: Request) -> bool:
        match self.provider.vendor.responses:
            case "never":
                return False
            case "always":
                return True
            case "reasoning":
                return openai_traits(request.handle.partition("/")[2]).reasons

    def _respond(
        self, request: Request, *, stream: bool, deadline: float
    ) -> Generator[Delta | Reply]:
        """A call of the Responses API, and once more with less for each thing it may refuse."""
        vendor = self.provider.vendor
        body = responses_request.to_body(
            request, vendor, stream=stream, summaries=self._has_summaries
        )
        for _ in range(_CONCESSIONS):
            try:
                yield from self._respond_once(body, request, stream=stream, deadline=deadline)
            except ProviderRejected as error:
                less = responses_request.conceded(body, error.about)
                if less is None:
                    raise
                # An organization that was not verified stays so: later calls do not ask.
                self._has_summaries &= "reasoning.summary" not in error.about
                body = less
            else:
                return
        yield from self._respond_once(body, request, stream=stream, deadline=deadline)

    def _respond_once(
        self, body: JsonObject, request: Request, *, stream: bool, deadline: float
    ) -> Generator[Delta | Reply]:
        client, path = self._client, "/responses"
        if stream:
            events = client.stream(path, body, deadline=deadline, headers={})
            yield from responses_reply.read_events(events, request, client.failure)
        else:
            answer = client.post(path, body, deadline=deadline, headers={})
            yield responses_reply.read_whole(answer, request, client.failure)

    def _running_windows(self, deadline: float) -> Mapping[str, int]:
        """The windows that running models were really started with, by model."""
        vendor = self.provider.vendor
        if not vendor.running_path:
            return {}
        url = self.provider.base_url.removesuffix(vendor.path) + vendor.running_path
        try:
            running = self._client.fetch(url, deadline=deadline)
        except ProviderError:
            return {}  # an old version, or another server behind the same variable
        return {
            text(entry, "name"): window
            for entry in objects(running.get("models"))
            if (window := whole(entry, "context_length"))
        }

    def _model_info(self, model: str, entry: JsonObject, running: Mapping[str, int]) -> ModelInfo:
        provider = self.provider
        told = next((n for field in _WINDOW_FIELDS if (n := whole(entry, field))), None)
        guess = None if provider.vendor.running_path else known_window(model)
        window = running.get(model) or provider.context_window or told or guess
        return ModelInfo(
            handle=f"{provider.name}/{model}",
            model=model,
            provider=provider.name,
            provider_type=provider.vendor.provider_type,
            context_window=window or provider.vendor.default_window,
            endpoint=provider.shown_url,
            display_name=text(entry, "name") or model,
            is_tenants=provider.is_tenants,
        )

    def _embedding_info(self, model: str) -> EmbeddingInfo:
        return EmbeddingInfo(
            handle=f"{self.provider.name}/{model}",
            model=model,
            provider=self.provider.name,
            provider_type=self.provider.vendor.provider_type,
            embedding_dim=known_dim(model),
            endpoint=self.provider.shown_url,
        )
