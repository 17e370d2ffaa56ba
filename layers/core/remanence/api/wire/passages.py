"""Passages as the protocol shows them, and the requests that store and search them.

A vector is never sent: the retired server's 4096 zero-padded floats helped nobody.
"""

from datetime import tzinfo
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from remanence.api.ids import of_kind
from remanence.api.wire.bodies import WriteBody
from remanence.api.wire.instants import Instant
from remanence.api.wire.models import EmbeddingConfig, embedding_config_of_handle
from remanence.core.archival import FoundPassage, PassageQuery, PassageRecord
from remanence.core.ids import DEFAULT_USER_ID, OrgId
from remanence.errors import InvalidRequest

TagMatchMode = Literal["any", "all"]
BudgetTokens = Annotated[
    int | None,
    Field(ge=1, description="Of the best, only those that fit this many tokens together."),
]
AfterPassage = Annotated[
    Annotated[str, of_kind("passage")] | None,
    Field(description="Only what the search ranks behind this passage; its id."),
]


class PassageState(BaseModel):
    """A text of archival memory."""

    id: str = Field(description="The passage's id.")
    text: str
    embedding: list[float] | None = Field(default=None, description="Never sent.")
    embedding_config: EmbeddingConfig | None = Field(description="The model of the archive.")
    archive_id: str
    source_id: str | None = None
    file_id: str | None = None
    file_name: str | None = None
    metadata: dict[str, Any]
    tags: list[str]
    created_at: Instant
    updated_at: Instant
    created_by_id: str | None = DEFAULT_USER_ID
    last_updated_by_id: str | None = DEFAULT_USER_ID
    is_deleted: bool = False
    organization_id: str


class PassageResult(BaseModel):
    """A passage that an agent's search found."""

    id: str = Field(description="The passage's id.")
    timestamp: str = Field(description="When it was stored, in the agent's time zone.")
    content: str
    tags: list[str]
    score: float = Field(description="Larger is better; only comparable within one search.")
    legs: dict[str, float | bool | None] = Field(
        description="What each part found: words, vector, when, speaker, phrase."
    )


class PassageResults(BaseModel):
    """What an agent's search found, best first."""

    results: list[PassageResult]
    count: int


class ScoredPassage(BaseModel):
    """A passage that a search found, and how."""

    passage: PassageState
    score: float = Field(description="Larger is better; only comparable within one search.")
    metadata: dict[str, Any] = Field(
        description="fts_rank, vector_rank: its place by words and by vectors; search_mode; legs: "
        "what each part found (words, vector, when, speaker, phrase)."
    )


class PassageCreate(WriteBody):
    """A text for archival memory."""

    text: str = Field(min_length=1, description="The text to remember.")
    tags: list[str] | None = Field(default=None, description="To filter searches by.")
    created_at: Instant | None = Field(default=None, description="Its time; null: now.")


class PassageSearch(BaseModel):
    """A search over passages."""

    query: str | None = Field(default=None, description="Without one, the newest are found.")
    agent_id: str | None = Field(default=None, description="Only this agent's archives.")
    archive_id: str | None = Field(default=None, description="Only this archive.")
    tags: list[str] | None = None
    tag_match_mode: TagMatchMode = "any"
    limit: int = Field(default=5, ge=1)
    budget_tokens: BudgetTokens = None
    after: AfterPassage = None
    start_date: Instant | None = Field(default=None, description="Not before; inclusive.")
    end_date: Instant | None = Field(default=None, description="Not after; inclusive.")
    as_of: Instant | None = Field(default=None, description="Facts that held then; null: now.")

    def to_query(self) -> PassageQuery:
        """The search as the store takes it."""
        return PassageQuery(
            query=self.query or "",
            agent_id=self.agent_id,
            archive_id=self.archive_id,
            tags=distinct_tags(self.tags),
            tag_match_mode=self.tag_match_mode,
            limit=self.limit,
            after=self.after,
            start=self.start_date,
            end=self.end_date,
            as_of=self.as_of,
        )


def distinct_tags(tags: list[str] | None) -> list[str]:
    """Tags without repetitions, in their order.

    Raises:
        InvalidRequest: one of them is empty.
    """
    if any(not tag.strip() for tag in tags or ()):
        raise InvalidRequest("tags: a tag must not be empty", field="tags")
    return list(dict.fromkeys(tags or ()))


def passage_to_wire(record: PassageRecord, org_id: OrgId) -> PassageState:
    """A passage."""
    passage = record.passage
    return PassageState(
        id=passage.id,
        text=passage.text,
        embedding_config=embedding_config_of_handle(record.embedding),
        archive_id=passage.archive_id,
        metadata=passage.metadata,
        tags=list(passage.tags),
        created_at=passage.created_at,
        updated_at=record.updated_at,
        organization_id=org_id,
    )


def own_results_to_wire(found: list[FoundPassage], zone: tzinfo) -> PassageResults:
    """What an agent's archives hold about a question, with times as the agent sees them."""
    results = [
        PassageResult(
            id=hit.record.passage.id,
            timestamp=hit.record.passage.created_at.astimezone(zone).isoformat(),
            content=hit.record.passage.text,
            tags=list(hit.record.passage.tags),
            score=hit.score,
            legs=dict(hit.legs),
        )
        for hit in found
    ]
    return PassageResults(results=results, count=len(results))


def scored_to_wire(hit: FoundPassage, org_id: OrgId) -> ScoredPassage:
    """A passage with its score and the ranks it comes from."""
    legs = {"fts": hit.lexical_rank, "vector": hit.vector_rank}
    used = [name for name, rank in legs.items() if rank is not None]
    return ScoredPassage(
        passage=passage_to_wire(hit.record, org_id),
        score=hit.score,
        metadata={
            "search_mode": "hybrid" if len(used) == 2 else used[0] if used else "timestamp",
            "fts_rank": hit.lexical_rank,
            "vector_rank": hit.vector_rank,
            "legs": dict(hit.legs),
        },
    )
