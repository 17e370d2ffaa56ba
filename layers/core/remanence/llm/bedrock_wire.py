"""Amazon Bedrock: Converse, its list of models, and the embeddings that its models make.

Path: models.Models -> BedrockWire -> bedrock_request / bedrock_reply, client.Client.
One attempt per call: retries are retry.py's. Who calls is known by IAM; there is no key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import EmbeddingInfo, ModelInfo
from remanence.errors import ProviderBadReply, ProviderError
from remanence.llm.bedrock_models import plain_name
from remanence.llm.bedrock_reply import read_events, read_whole
from remanence.llm.bedrock_request import to_body
from remanence.llm.catalogue import known_dim, known_window
from remanence.llm.client import Client
from remanence.llm.payload import as_vector, objects, text

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from remanence.core.exchange import Delta, JsonObject, JsonValue, Reply, Request
    from remanence.llm.vendors import Provider

# Cohere's models take this many texts of one request, Amazon's take one.
_COHERE_BATCH = 96


class BedrockWire:
    """Bedrock in one region. Safe to share between threads."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._client = Client(provider)

    def call(self, request: Request, *, stream: bool, deadline: float) -> Generator[Delta | Reply]:
        """One model call; see models.Models.call."""
        body, model = to_body(request, self.provider.vendor), request.handle.partition("/")[2]
        if stream:
            events = self._client.stream("converse_stream", body, deadline=deadline, headers={})
            yield from read_events(events, request, model)
        else:
            answer = self._client.post("converse", body, deadline=deadline, headers={})
            yield read_whole(answer, request, model)

    def offer(self, *, deadline: float) -> tuple[list[ModelInfo], list[EmbeddingInfo]]:
        """What may be called in this region: models on demand, and inference profiles.

        Raises:
            ProviderError: it does not answer.
        """
        answer = self._client.fetch("list_foundation_models", deadline=deadline)
        entries = [e for e in objects(answer.get("modelSummaries")) if _is_on_demand(e)]
        chat = [e for e in entries if e.get("responseStreamingSupported")]
        embedding = [e for e in entries if _has(e, "outputModalities", "EMBEDDING")]
        infos = [self._model_info(text(e, "modelId"), text(e, "modelName")) for e in chat]
        return infos + self._profiles(deadline), [
            self._embedding_info(text(e, "modelId")) for e in embedding
        ]

    def embed(self, model: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text, in order.

        Raises:
            ProviderError: one of its kinds; ProviderBadReply when vectors are missing.
        """
        is_cohere = "cohere." in model
        size = _COHERE_BATCH if is_cohere else 1
        vectors: list[list[float]] = []
        for start in range(0, len(texts), size):
            # An empty text is refused.
            batch: list[JsonValue] = [said or " " for said in texts[start : start + size]]
            body: JsonObject = {"inputText": batch[0]}
            if is_cohere:
                body = {"texts": batch, "input_type": "search_document", "truncate": "END"}
            asked: JsonObject = {"modelId": model, "body": body}
            answer = self._client.post("invoke_model", asked, deadline=deadline, headers={})
            found = answer.get("embeddings") if is_cohere else [answer.get("embedding")]
            vectors += [as_vector(vector) for vector in (found if isinstance(found, list) else [])]
        if len(vectors) != len(texts):
            raise ProviderBadReply(
                f"{model} was given {len(texts)} texts and returned {len(vectors)} vectors"
            )
        return vectors

    def open(self) -> None:
        """Get ready to call, so that no call's time is spent on it."""
        self._client.open()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _profiles(self, deadline: float) -> list[ModelInfo]:
        try:
            answer = self._client.fetch("list_inference_profiles", deadline=deadline)
        except ProviderError:
            return []  # a role may be allowed to list models and not profiles
        return [
            self._model_info(text(entry, "inferenceProfileId"), text(entry, "inferenceProfileName"))
            for entry in objects(answer.get("inferenceProfileSummaries"))
        ]

    def _model_info(self, model: str, name: str) -> ModelInfo:
        vendor = self.provider.vendor
        return ModelInfo(
            handle=f"{vendor.name}/{model}",
            model=model,
            provider=vendor.name,
            provider_type=vendor.provider_type,
            context_window=known_window(plain_name(model)) or vendor.default_window,
            endpoint=self.provider.shown_url,
            display_name=name or model,
        )

    def _embedding_info(self, model: str) -> EmbeddingInfo:
        vendor = self.provider.vendor
        return EmbeddingInfo(
            handle=f"{vendor.name}/{model}",
            model=model,
            provider=vendor.name,
            provider_type=vendor.provider_type,
            embedding_dim=known_dim(plain_name(model)),
            endpoint=self.provider.shown_url,
        )


def _is_on_demand(entry: JsonObject) -> bool:
    return _has(entry, "inferenceTypesSupported", "ON_DEMAND")


def _has(entry: JsonObject, field: str, word: str) -> bool:
    words = entry.get(field)
    return isinstance(words, list) and word in words
