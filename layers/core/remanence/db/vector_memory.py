"""Vectors of texts that were embedded lately, in the database.

Path: engine.remembering -> VectorMemory -> db/sql. Each method is one round trip.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remanence.core.ids import OrgId
    from remanence.db.queries import Queries, Row


class VectorMemory:
    """Implements `engine.remembering.VectorMemory`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def find_vectors(
        self, org_id: OrgId, model: str, texts: Sequence[str]
    ) -> dict[str, list[float]]:
        """See `engine.remembering.VectorMemory`."""
        by_hash = {_hash(text): text for text in texts}
        call = {"org_id": org_id, "model": model, "hashes": list(by_hash)}
        found: Row = self._queries.call("find_vectors", call=json.dumps(call))
        return {by_hash[key]: values for key, values in found.items()}

    def keep_vectors(
        self, org_id: OrgId, model: str, vectors: Mapping[str, Sequence[float]], *, most: int
    ) -> None:
        """See `engine.remembering.VectorMemory`."""
        items = {_hash(text): list(values) for text, values in vectors.items()}
        call = {"org_id": org_id, "model": model, "vectors": items, "most": most}
        self._queries.call("keep_vectors", call=json.dumps(call))

    def forget_vectors(self, *, hours: int) -> int:
        """See `engine.remembering.VectorMemory`."""
        return int(self._queries.call("forget_vectors", hours=hours))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
