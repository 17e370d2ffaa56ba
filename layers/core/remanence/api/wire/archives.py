"""Archives as the protocol shows them, and as callers make and change them.

Path: routes/archives.py -> here -> db/archives.py.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from remanence.api.wire.bodies import WriteBody
from remanence.api.wire.instants import Instant
from remanence.api.wire.model_fields import EmbeddingConfigFields
from remanence.api.wire.models import EmbeddingConfig, embedding_config_of_handle
from remanence.api.wire.passages import PassageCreate, distinct_tags
from remanence.core.archival import NewText
from remanence.core.exchange import JsonObject
from remanence.core.ids import DEFAULT_USER_ID, IdSource
from remanence.db.archives import Archive

# Passages in one request: what is embedded and stored while a caller waits.
MAX_PASSAGES = 1_000


class Reembedding(BaseModel):
    """A change of the model of vectors: until it is done, searches use the one before."""

    in_use: str | None = Field(description="provider/model that searches still use.")
    passages: int = Field(description="How many there are.")
    passages_done: int = Field(description="How many of them have the new vectors.")


class ArchiveState(BaseModel):
    """A collection of passages that agents can search; several may share it."""

    id: str = Field(description="The archive's id.")
    name: str = Field(description="Need not be unique.")
    description: str | None
    vector_db_provider: Literal["native"] = Field(
        default="native", description="Vectors are in the same database."
    )
    embedding_config: EmbeddingConfig | None = Field(description="Null: searched by words only.")
    reembedding: Reembedding | None = Field(
        description="The change to the model of `embedding_config`; null: none is under way."
    )
    metadata: dict[str, Any]
    created_at: Instant
    updated_at: Instant
    created_by_id: str | None = DEFAULT_USER_ID
    last_updated_by_id: str | None = DEFAULT_USER_ID


def archive_to_wire(archive: Archive) -> ArchiveState:
    """An archive as the protocol shows it."""
    return ArchiveState(
        id=archive.id,
        name=archive.name,
        description=archive.description,
        embedding_config=embedding_config_of_handle(archive.next_embedding or archive.embedding),
        reembedding=_reembedding(archive),
        metadata=archive.metadata,
        created_at=archive.created_at,
        updated_at=archive.updated_at,
    )


def _reembedding(archive: Archive) -> Reembedding | None:
    if archive.next_embedding is None:
        return None
    return Reembedding(
        in_use=archive.embedding,
        passages=archive.passages,
        passages_done=archive.passages_done,
    )


class _EmbeddingFields(WriteBody):
    """The model of an archive's vectors, in either form."""

    embedding: str | None = Field(
        default=None,
        description="provider/model; null: the deployment's, if it has one; in a change, words "
        "only.",
    )
    embedding_config: EmbeddingConfigFields | None = Field(
        default=None, description="Old form of `embedding`."
    )

    def to_handle(self, default: str | None) -> str | None:
        """The handle of the model, or None.

        Raises:
            InvalidRequest: embedding_config names neither a handle nor a provider.
        """
        if self.embedding:
            return self.embedding
        return self.embedding_config.to_handle() if self.embedding_config else default


class CreateArchive(_EmbeddingFields):
    """A new archive."""

    name: str = Field(min_length=1, max_length=500)
    description: str | None = None


class UpdateArchive(_EmbeddingFields):
    """Changes of an archive: what is left out stays as it is.

    Another model gets its vectors in the background; searches use the one before until then.
    """

    name: str | None = Field(default=None, min_length=1, max_length=500)
    description: str | None = Field(default=None, description="Null: none.")

    def to_columns(self) -> JsonObject:
        """The columns to set.

        Raises:
            InvalidRequest: embedding_config names neither a handle nor a provider.
        """
        columns: JsonObject = {} if self.name is None else {"name": self.name}
        if "description" in self.model_fields_set:
            columns["description"] = self.description
        if {"embedding", "embedding_config"} & self.model_fields_set:
            columns["embedding"] = self.to_handle(None)
        return columns


class ArchivePassageCreate(PassageCreate):
    """A text for an archive."""

    metadata: dict[str, Any] | None = Field(default=None, description="The caller's own.")

    def to_new(self, new_id: IdSource) -> NewText:
        """The passage to be stored, without its vector.

        Raises:
            InvalidRequest: a tag is empty.
        """
        return NewText(
            id=new_id("passage"),
            text=self.text,
            tags=distinct_tags(self.tags),
            metadata=self.metadata or {},
            created_at=self.created_at,
        )


class ArchivePassagesCreate(WriteBody):
    """Texts for an archive."""

    passages: list[ArchivePassageCreate] = Field(max_length=MAX_PASSAGES)

    def to_new(self, new_id: IdSource) -> Sequence[NewText]:
        """The passages to be stored, without their vectors.

        Raises:
            InvalidRequest: a tag is empty.
        """
        return [passage.to_new(new_id) for passage in self.passages]
