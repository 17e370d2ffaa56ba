"""The archival memory of an agent: passages it can search, kept outside of its context."""

from typing import Annotated, TypedDict

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import ThisCall
from remanence.api.ids import AgentIdPath, PassageIdPath, of_kind
from remanence.api.pages import MAX_LIMIT
from remanence.api.versioning import AsOfQuery, EraseQuery
from remanence.api.wire.instants import Instant
from remanence.api.wire.passages import (
    AfterPassage,
    BudgetTokens,
    PassageCreate,
    PassageResults,
    PassageState,
    TagMatchMode,
    distinct_tags,
    own_results_to_wire,
    passage_to_wire,
)
from remanence.core.archival import PassageQuery
from remanence.core.search_tools import hits_in_budget
from remanence.db.paging import Page
from remanence.errors import InvalidRequest

router = APIRouter(tags=["archival memory"])

Cursor = Annotated[str, of_kind("passage")] | None


@router.post("/v1/agents/{agent_id}/archival-memory")
def insert_passage(
    agent_id: AgentIdPath, body: PassageCreate, call: ThisCall
) -> list[PassageState]:
    """Store a text in the agent's archive, which is made on first use.

    If the embedding model does not answer, the text is stored all the same: it is then found by
    its words, and not by its meaning.
    """
    stored = call.archival.insert(
        call.org_id,
        agent_id,
        body.text,
        tags=distinct_tags(body.tags),
        created_at=body.created_at,
    )
    return [passage_to_wire(record, call.org_id) for record in stored]


class PastPage(TypedDict):
    """A page of what was."""

    after: str | None
    search: str | None
    limit: int


class PassageListQuery(BaseModel):
    """Which passages of an agent; both cursors are exclusive and relative to the order."""

    after: Cursor = Field(default=None, description="A passage's id: what follows it.")
    before: Cursor = Field(default=None, description="A passage's id: what comes before it.")
    limit: int = Field(default=100, ge=1)
    ascending: bool = Field(default=True, description="Oldest first.")
    search: str | None = Field(default=None, description="A part of the text, in any case.")

    def to_page(self) -> Page:
        """The page for the store."""
        return Page(
            before=self.before,
            after=self.after,
            limit=min(self.limit, MAX_LIMIT),
            order="asc" if self.ascending else "desc",
        )

    def to_past(self) -> PastPage:
        """The page of another time.

        Raises:
            InvalidRequest: it cannot be read backwards.
        """
        if self.before is not None or not self.ascending:
            raise InvalidRequest(
                "as_of in the query: is read forwards; use after, and leave out before and "
                "ascending",
                field="as_of",
            )
        return {
            "after": self.after,
            "search": self.search or None,
            "limit": min(self.limit, MAX_LIMIT),
        }


@router.get("/v1/agents/{agent_id}/archival-memory")
def list_passages(
    agent_id: AgentIdPath,
    query: Annotated[PassageListQuery, Query()],
    as_of: AsOfQuery,
    call: ThisCall,
) -> list[PassageState]:
    """List the passages of the agent's archives; as of another time the oldest come first."""
    if as_of is not None:
        past = call.deps.catalog.memory_at.list_passages(
            call.org_id, agent_id, as_of, **query.to_past()
        )
        return [passage_to_wire(record, call.org_id) for record in past]
    records = call.deps.recall.list_passages(
        call.org_id, agent_id, query.to_page(), search=query.search or None
    )
    return [passage_to_wire(record, call.org_id) for record in records]


class OwnSearchQuery(BaseModel):
    """A search of an agent's archives."""

    query: str = Field(description="Any words, or a question.")
    tags: list[str] | None = Field(default=None, description="Only passages with these.")
    tag_match_mode: TagMatchMode = Field(default="any", description="any of the tags, or all.")
    top_k: int = Field(default=10, ge=1, description="How many at most.")
    budget_tokens: BudgetTokens = None
    after: AfterPassage = None
    start_datetime: Instant | None = Field(default=None, description="Not before; inclusive.")
    end_datetime: Instant | None = Field(default=None, description="Not after; inclusive.")
    as_of: Instant | None = Field(default=None, description="Facts that held then; null: now.")

    def to_query(self) -> PassageQuery:
        """The search as the store takes it."""
        return PassageQuery(
            query=self.query,
            tags=distinct_tags(self.tags),
            tag_match_mode=self.tag_match_mode,
            limit=self.top_k,
            after=self.after,
            start=self.start_datetime,
            end=self.end_datetime,
            as_of=self.as_of,
        )


@router.get("/v1/agents/{agent_id}/archival-memory/search")
def search_passages_of_agent(
    agent_id: AgentIdPath, query: Annotated[OwnSearchQuery, Query()], call: ThisCall
) -> PassageResults:
    """Search the agent's archives, as its own tool does: by words and by meaning, best first."""
    own, found = call.archival.search_own(call.org_id, agent_id, query.to_query())
    fitting = hits_in_budget(found, query.budget_tokens)
    return own_results_to_wire(fitting, call.deps.zones(own.timezone))


@router.delete("/v1/agents/{agent_id}/archival-memory/{memory_id}")
def delete_passage(
    agent_id: AgentIdPath, memory_id: PassageIdPath, call: ThisCall, *, erase: EraseQuery = False
) -> dict[str, str]:
    """Delete a passage of the agent's archives."""
    call.deps.catalog.passage_versions.delete_passage(
        call.org_id, memory_id, call.author, agent_id=agent_id, erase=erase
    )
    return {"message": f"Memory id={memory_id} successfully deleted"}
