"""Search over messages and passages that are not in the context, and the store of passages.

Path: engine.lookups, engine.archival -> PostgresRecall -> core.ranking, sql/search_*.sql.
One statement per search: words with the weights they have in what is searched, neighbouring
texts, vectors of the same model, named times, the speaker. What calls a model is not here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from remanence.core.archival import FoundPassage, OwnArchive, PassageQuery, VectorOf
from remanence.core.exchange import Text
from remanence.core.expansion import PAGE_MESSAGES, Expansion
from remanence.core.ranking import understand
from remanence.core.search_tools import MessageHit, PassageHit
from remanence.db.paging import list_page
from remanence.db.record_rows import passage_record_from_row, passage_rows
from remanence.db.rows import message_from_row, summary_from_row
from remanence.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remanence.core.archival import NewText, PassageRecord
    from remanence.core.ids import OrgId
    from remanence.core.ranking import Part
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row

# A model or a caller that asks for more wants a list, not a search.
MAX_HITS = 1_000
# Of whom something is found when the caller names nobody: system messages are not conversation.
SPEAKERS = ("user", "assistant")


def utc_now() -> datetime:
    """What "yesterday" in a question is counted from."""
    return datetime.now(UTC)  # noqa: TID251  the clock of an edge; tests bring their own


class PostgresRecall:
    """Implements `engine.ports.Recall`, and keeps the passages."""

    def __init__(self, queries: Queries, now: Callable[[], datetime] = utc_now) -> None:
        self._queries = queries
        self._now = now

    def search_passages(  # noqa: PLR0913  the filters of one search
        self,
        org_id: OrgId,
        *,
        agent_id: str,
        query: str,
        query_embedding: Sequence[float] | None,
        embedding_model: str | None,
        tags: Sequence[str],
        tag_match_mode: Literal["any", "all"],
        limit: int,
        start: datetime | None,
        end: datetime | None,
        as_of: datetime | None = None,
    ) -> list[PassageHit]:
        """See `engine.ports.Recall`."""
        vector = None
        if query_embedding is not None and embedding_model is not None:
            vector = VectorOf(values=tuple(query_embedding), model=embedding_model)
        wanted = PassageQuery(
            query=query,
            agent_id=agent_id,
            vector=vector,
            tags=tags,
            tag_match_mode=tag_match_mode,
            limit=limit,
            start=start,
            end=end,
            as_of=as_of,
        )
        return [_passage_hit(found) for found in self.find_passages(org_id, wanted)]

    def find_passages(self, org_id: OrgId, wanted: PassageQuery) -> list[FoundPassage]:
        """Passages for a question, best first; of an unknown agent or archive, none."""
        limit = max(0, min(wanted.limit, MAX_HITS))
        vector = None if "vector" in wanted.without else wanted.vector
        rows = self._queries.rows(
            "search_passages",
            org_id,
            agent_id=wanted.agent_id,
            archive_id=wanted.archive_id,
            **self._asked(wanted.query, wanted.without),
            embedding=_reals(vector),
            model=None if vector is None else vector.model,
            tags=list(wanted.tags) or None,
            match_all_tags=wanted.tag_match_mode == "all",
            created_from=wanted.start,
            created_to=wanted.end,
            as_of=wanted.as_of,
            after_id=wanted.after,
            page_limit=limit,
        )
        return [
            FoundPassage(
                record=passage_record_from_row(row["passage"]),
                score=row["score"],
                lexical_rank=row["lexical_rank"],
                vector_rank=row["vector_rank"],
                legs=row["legs"],
            )
            for row in rows
        ]

    def search_messages(  # noqa: PLR0913  the filters of one search
        self,
        org_id: OrgId,
        *,
        agent_id: str,
        query: str,
        roles: Sequence[str],
        limit: int,
        start: datetime | None,
        end: datetime | None,
        conversation_id: str | None = None,
        in_view: tuple[str, int] | None = None,
        after: str | None = None,
        vector: VectorOf | None = None,
    ) -> list[MessageHit]:
        """See `engine.ports.Recall`. Tool calls and returns are not speech and are never found.

        Args:
            org_id: of the caller.
            agent_id: whose conversations are searched.
            query: any words; without any, the newest messages are found.
            roles: of the speakers; empty means user and assistant.
            limit: how many at most.
            start: not before this instant.
            end: not after it.
            conversation_id: only this conversation.
            in_view: a conversation and the seq from which on its messages are in the context
                already: those are left out.
            after: only what the search ranks behind this message, which it has to find.
            vector: of the query; None: words alone decide.
        """
        rows = self._queries.rows(
            "search_messages",
            org_id,
            agent_id=agent_id,
            conversation_id=conversation_id,
            **self._asked(query),
            roles=list(roles or SPEAKERS),
            created_from=start,
            created_to=end,
            view_conversation_id=in_view[0] if in_view else None,
            view_from_seq=in_view[1] if in_view else None,
            after_id=after,
            embedding=_reals(vector),
            model=None if vector is None else vector.model,
            page_limit=max(0, min(limit, MAX_HITS)),
        )
        return [_message_hit(row) for row in rows]

    def expand(
        self,
        org_id: OrgId,
        conversation_id: str,
        *,
        summary_id: str | None,
        from_seq: int | None,
        to_seq: int | None,
    ) -> Expansion | None:
        """See `engine.ports.Recall`."""
        row = self._queries.one(
            "expand_span",
            org_id,
            conversation_id=conversation_id,
            summary_id=summary_id,
            from_seq=from_seq,
            to_seq=to_seq,
            page_limit=PAGE_MESSAGES,
        )
        if row is None:
            return None
        return Expansion(
            from_seq=row["from_seq"],
            to_seq=row["to_seq"],
            window_from_seq=row["window_from_seq"],
            summaries=tuple(summary_from_row(node) for node in row["summaries"]),
            messages=tuple(message_from_row(message) for message in row["messages"]),
        )

    def _asked(self, query: str, without: frozenset[Part] = frozenset()) -> dict[str, object]:
        question = understand(query, self._now(), without)
        return {
            "query": question.text,
            "related": list(question.related),
            "phrases": list(question.phrases),
            "speaker": question.speaker,
            "names": list(question.names),
            "span_starts": [span.start for span in question.spans],
            "span_ends": [span.end for span in question.spans],
            "around": 0.0 if "neighbours" in without else 1.0,
        }

    def load_own_archive(self, org_id: OrgId, agent_id: str) -> OwnArchive:
        """What the archive of an agent's insertions is, or will be when there is none yet.

        Raises:
            NotFound: no such agent.
        """
        row = self._queries.one("load_own_archive", org_id, agent_id=agent_id)
        if row is None:
            raise NotFound("agent", agent_id)
        return OwnArchive(embedding=row["embedding"], timezone=row["timezone"])

    def list_scope_embeddings(
        self, org_id: OrgId, *, agent_id: str | None, archive_id: str | None
    ) -> list[str]:
        """The models that made the vectors of what a search covers, the most used first."""
        rows = self._queries.rows(
            "list_scope_embeddings", org_id, agent_id=agent_id, archive_id=archive_id
        )
        return [row["embedding"] for row in rows]

    def add_passages(
        self, org_id: OrgId, agent_id: str, texts: Sequence[NewText], *, new_archive_id: str
    ) -> list[PassageRecord]:
        """Store texts in the agent's own archive, which gets `new_archive_id` if it is new.

        Safe to repeat: a passage whose id is there already stays as it is.

        Raises:
            NotFound: no such agent; nothing was stored.
        """
        call = {
            "org_id": org_id,
            "agent_id": agent_id,
            "new_archive_id": new_archive_id,
            "passages": passage_rows(texts),
        }
        answer = self._queries.call("add_passages", call=json.dumps(call))
        if answer["outcome"] != "ok":
            raise NotFound(answer["kind"], answer["id"])
        return [passage_record_from_row(row) for row in answer["passages"]]

    def list_passages(
        self, org_id: OrgId, agent_id: str, page: Page, *, search: str | None
    ) -> list[PassageRecord]:
        """One page of the passages of an agent's archives that contain `search`, in any case.

        Raises:
            NotFound: no such agent.
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(
            self._queries, "list_passages", org_id, page, agent_id=agent_id, search=search
        )
        if not rows:
            self.load_own_archive(org_id, agent_id)
        return [passage_record_from_row(row["passage"]) for row in rows]


def _reals(vector: VectorOf | None) -> list[float] | None:
    # a provider's JSON, and that of remembered vectors, has whole numbers among the others
    return None if vector is None else [float(value) for value in vector.values]


def _passage_hit(found: FoundPassage) -> PassageHit:
    return PassageHit(
        passage=found.record.passage,
        score=found.score,
        lexical_rank=found.lexical_rank,
        vector_rank=found.vector_rank,
        legs=found.legs,
    )


def _message_hit(row: Row) -> MessageHit:
    stored: Row = row["message"]
    # As search reads it: speech through a tool is text like any other, the rest was not said.
    said = Text(text=row["said"])
    return MessageHit(
        message=replace(message_from_row(stored), parts=(said,)),
        agent_id=stored["agent_id"],
        conversation_id=stored["conversation_id"],
        score=row["score"],
        lexical_rank=row["lexical_rank"],
        vector_rank=row["vector_rank"],
        legs=row["legs"],
    )
