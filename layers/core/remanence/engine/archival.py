"""Archival memory for callers: a text gets its vector before it is stored or searched with.

Path: api.routes.archival, api.routes.passages -> Archival -> models.embed, then the database.
A model that does not answer costs rank, never the text: the passage is stored without a vector
and its words still find it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from remanence.core.archival import NewText, VectorOf
from remanence.engine.remembering import Remembering
from remanence.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from remanence.core.archival import FoundPassage, OwnArchive, PassageQuery, PassageRecord
    from remanence.core.ids import IdSource, OrgId
    from remanence.engine.remembering import VectorMemory

log = logging.getLogger(__name__)

# How long a caller waits for the vector of one text, in seconds.
EMBED_LIMIT_S = 20.0
# How many texts are embedded in one call, and how long a caller waits for all of them.
EMBED_BATCH = 96
EMBED_BATCHES_LIMIT_S = 60.0


class Passages(Protocol):
    """The store of passages. Each method is one round trip."""

    def load_own_archive(self, org_id: OrgId, agent_id: str) -> OwnArchive:
        """What the archive of an agent's insertions is, or will be.

        Raises:
            NotFound: no such agent.
        """
        ...

    def list_scope_embeddings(
        self, org_id: OrgId, *, agent_id: str | None, archive_id: str | None
    ) -> list[str]:
        """The models that made the vectors of what a search covers, the most used first."""
        ...

    def add_passages(
        self, org_id: OrgId, agent_id: str, texts: Sequence[NewText], *, new_archive_id: str
    ) -> list[PassageRecord]:
        """Store texts in the agent's own archive.

        Raises:
            NotFound: no such agent.
        """
        ...

    def find_passages(self, org_id: OrgId, wanted: PassageQuery) -> list[FoundPassage]:
        """Passages for a question, best first."""
        ...


class Embedder(Protocol):
    """What makes vectors. `deadline` is in seconds of `time.monotonic`."""

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text.

        Raises:
            AppError: there is no such model, or it did not answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Archival:
    """Stores and searches passages; holds nothing of its own."""

    passages: Passages
    embedder: Embedder
    new_id: IdSource
    monotonic: Callable[[], float]
    memory: VectorMemory | None = None

    def for_org(self, org_id: OrgId, models: Embedder) -> Archival:
        """The same with the models of an organization, whose vectors are remembered."""
        if self.memory is None:
            return replace(self, embedder=models)
        remembering = Remembering(embedder=models, memory=self.memory, org_id=org_id)
        return replace(self, embedder=remembering)

    def insert(
        self,
        org_id: OrgId,
        agent_id: str,
        text: str,
        *,
        tags: Sequence[str],
        created_at: datetime | None,
    ) -> list[PassageRecord]:
        """Store one text in an agent's own archive, which is made on first use.

        Returns:
            The one passage, in a list as the protocol has it.

        Raises:
            NotFound: no such agent; nothing was stored.
        """
        archive = self.passages.load_own_archive(org_id, agent_id)
        new = NewText(
            id=self.new_id("passage"),
            text=text,
            tags=tags,
            created_at=created_at,
            vector=self.vector(archive.embedding, text),
        )
        return self.passages.add_passages(
            org_id, agent_id, [new], new_archive_id=self.new_id("archive")
        )

    def with_vectors(self, handle: str | None, texts: Sequence[NewText]) -> list[NewText]:
        """The texts with the vectors an archive wants, embedded many at a time.

        Args:
            handle: the model of the archive; None: it has none, and the texts stay as they are.
            texts: to be stored.

        Returns:
            All of them; when the model does not answer in time, the rest is without vectors.
        """
        return with_vectors(self.embedder, self.monotonic, handle, texts)

    def search_own(
        self, org_id: OrgId, agent_id: str, wanted: PassageQuery
    ) -> tuple[OwnArchive, list[FoundPassage]]:
        """What an agent's archives hold about a question, and its own archive.

        Raises:
            NotFound: no such agent.
        """
        own = self.passages.load_own_archive(org_id, agent_id)
        vector = self.vector(own.embedding, wanted.query)
        found = self.passages.find_passages(
            org_id, replace(wanted, agent_id=agent_id, vector=vector)
        )
        return own, found

    def search(self, org_id: OrgId, wanted: PassageQuery) -> list[FoundPassage]:
        """What the archives of an agent, one archive, or all archives hold about a question.

        Vectors of different models cannot be compared: the model that most of these archives
        use makes the question's, and what other models embedded is found by its words.
        """
        handles = self.passages.list_scope_embeddings(
            org_id, agent_id=wanted.agent_id, archive_id=wanted.archive_id
        )
        vector = self.vector(handles[0] if handles else None, wanted.query)
        return self.passages.find_passages(org_id, replace(wanted, vector=vector))

    def vector(self, handle: str | None, text: str) -> VectorOf | None:
        """The vector of a text; None when no model is named, or it does not answer."""
        if handle is None or not text.strip():
            return None
        deadline = self.monotonic() + EMBED_LIMIT_S
        try:
            (values,) = self.embedder.embed(handle, [text], deadline=deadline)
        except AppError as error:
            log_no_vector(handle, error)
            return None
        return VectorOf(values=tuple(values), model=handle)


def with_vectors(
    embedder: Embedder,
    monotonic: Callable[[], float],
    handle: str | None,
    texts: Sequence[NewText],
) -> list[NewText]:
    """See `Archival.with_vectors`."""
    if handle is None:
        return list(texts)
    deadline = monotonic() + EMBED_BATCHES_LIMIT_S
    done: list[NewText] = []
    for batch in batched(texts, EMBED_BATCH):
        try:
            vectors = embedder.embed(handle, [text.text for text in batch], deadline=deadline)
        except AppError as error:
            log_no_vector(handle, error)
            break
        done += (
            replace(text, vector=VectorOf(values=tuple(values), model=handle))
            for text, values in zip(batch, vectors, strict=True)
        )
    return [*done, *texts[len(done) :]]


def log_no_vector(handle: str, error: AppError) -> None:
    """That a text goes without its vector, and why; nothing of the text."""
    log.warning("no vector from %s: %s", handle, error.code)


def batched(texts: Sequence[NewText], size: int) -> Iterator[list[NewText]]:
    """The texts, at most `size` at a time."""
    rest = iter(texts)
    while batch := list(islice(rest, size)):
        yield batch
