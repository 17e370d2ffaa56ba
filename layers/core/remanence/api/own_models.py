"""What the organization of a caller may name as a model.

Path: api.deps -> Call.models -> llm.tenants. Its providers are read when the first of these is
asked, once in a request, and not at all where none can be stored.
"""

from collections.abc import Sequence
from functools import cached_property

from remanence.core.exchange import EmbeddingInfo, ModelInfo
from remanence.core.ids import OrgId
from remanence.core.spend import Price
from remanence.llm.models import Models
from remanence.llm.tenants import Tenants


class OwnModels:
    """The models of one organization, during one request."""

    def __init__(self, tenants: Tenants, org_id: OrgId) -> None:
        self._tenants = tenants
        self._org_id = org_id

    @cached_property
    def _models(self) -> Models:
        return self._tenants.models_of(self._org_id)

    def list_models(self, *, deadline: float) -> Sequence[ModelInfo]:
        """What providers offer now; `deadline` is in seconds of Deps.monotonic."""
        return self._models.list_models(deadline=deadline)

    def list_embedding_models(self, *, deadline: float) -> Sequence[EmbeddingInfo]:
        """What embeds now, in the same way."""
        return self._models.list_embedding_models(deadline=deadline)

    def check_embedding(self, handle: str) -> None:
        """See `Models.check_embedding`."""
        self._models.check_embedding(handle)

    def context_window(self, handle: str) -> int:
        """See `Models.context_window`."""
        return self._models.context_window(handle)

    def price(self, handle: str) -> Price | None:
        """See `Models.price`."""
        return self._models.price(handle)

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """See `Models.embed`."""
        return self._models.embed(handle, texts, deadline=deadline)
