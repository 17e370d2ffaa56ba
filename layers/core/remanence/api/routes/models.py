"""What may be named as the model of an agent."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from remanence.api.deps import ThisCall
from remanence.api.wire.models import (
    EmbeddingModel,
    Model,
    embedding_model_to_wire,
    model_to_wire,
)

router = APIRouter(tags=["models"])

# Seconds a list may take: providers that have not answered by then are left out.
_LIST_S = 5.0


@router.get("/v1/models/")
def list_models(
    call: ThisCall,
    provider_category: Annotated[
        list[Literal["base", "byok"]] | None,
        Query(description="base: with the deployment's keys; byok: with the organization's own."),
    ] = None,
    provider_name: Annotated[str | None, Query(description="First part of the handles.")] = None,
    provider_type: Annotated[str | None, Query(description="The kind of provider.")] = None,
) -> list[Model]:
    """List the models that providers offer now."""
    infos = call.models.list_models(deadline=call.deps.monotonic() + _LIST_S)
    models = [
        model_to_wire(info)
        for info in infos
        if provider_name in {None, info.provider} and provider_type in {None, info.provider_type}
    ]
    wanted = provider_category or ("base", "byok")
    return [model for model in models if model.provider_category in wanted]


@router.get("/v1/models/embedding")
def list_embedding_models(call: ThisCall) -> list[EmbeddingModel]:
    """List the embedding models that providers offer now."""
    infos = call.models.list_embedding_models(deadline=call.deps.monotonic() + _LIST_S)
    return [embedding_model_to_wire(info) for info in infos]
