"""Conversations in the database, as the API reads and changes them.

Path: api/routes/conversations.py -> Conversations -> db/sql. Each method is one round trip. A
step reads and moves its conversation by itself (db/store.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from remanence.db.paging import list_page
from remanence.db.rows import instant, summary_from_row
from remanence.errors import AgentBusy, InvalidRequest, NotFound

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.summaries import Summary
    from remanence.db.paging import Page
    from remanence.db.queries import Queries, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRef:
    """Names a conversation: by its id, or as the default one of an agent (no id).

    With both, the conversation must be one of the agent's.
    """

    agent_id: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationView:
    """A conversation; `message_ids` are the newest 500 messages in its context, in order.

    `extras` holds what a caller set of it: see `migrations/0006`.
    """

    id: str
    agent_id: str
    is_default: bool
    summary: str | None
    extras: JsonObject
    message_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFilter:
    """Which conversations a list shows; None: no matter."""

    agent_id: str | None = None
    summary_search: str | None = None
    archived: bool | None = None


class Conversations:
    """The conversations that callers make beside the default ones."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def create_conversation(
        self,
        org_id: OrgId,
        agent_id: str,
        *,
        conversation_id: str,
        summary: str | None,
        extras: JsonObject,
    ) -> ConversationView:
        """Make a conversation; the same id again gives the one that is there.

        Raises:
            NotFound: no such agent.
        """
        row = self._queries.one(
            "insert_conversation",
            org_id,
            id=conversation_id,
            agent_id=agent_id,
            summary=summary,
            extras=json.dumps(extras),
        )
        if row is None:
            raise NotFound("agent", agent_id)
        return _view(row["conversation"])

    def load_conversation(self, org_id: OrgId, ref: ConversationRef) -> ConversationView:
        """A conversation.

        Raises:
            NotFound: there is none, or the agent has no such conversation.
        """
        row = self._queries.one(
            "load_conversation",
            org_id,
            agent_id=ref.agent_id,
            conversation_id=ref.conversation_id,
        )
        if row is None:
            raise _missing(ref)
        return _view(row["conversation"])

    def list_conversations(
        self, org_id: OrgId, wanted: ConversationFilter, page: Page
    ) -> list[ConversationView]:
        """One page of the conversations that were made and not hidden; none of the default ones.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(
            self._queries,
            "list_conversations",
            org_id,
            page,
            order_by=page.order_by,
            agent_id=wanted.agent_id,
            summary_search=wanted.summary_search,
            archived=wanted.archived,
        )
        return [_view(row["conversation"]) for row in rows]

    def list_summaries(
        self, org_id: OrgId, ref: ConversationRef, *, parent_id: str | None
    ) -> list[Summary]:
        """The summaries in a conversation's window, or those that `parent_id` covers; in order.

        Raises:
            NotFound: no such conversation, or it has no such summary.
        """
        row = self._queries.one(
            "list_summaries",
            org_id,
            agent_id=ref.agent_id,
            conversation_id=ref.conversation_id,
            parent_id=parent_id,
        )
        if row is None:
            raise _missing(ref)
        if not row["parent_found"]:
            raise NotFound("summary", parent_id or "")
        return [summary_from_row(node) for node in row["summaries"]]

    def update_conversation(
        self, org_id: OrgId, conversation_id: str, *, columns: JsonObject, extras: JsonObject
    ) -> ConversationView:
        """Set `summary` and `last_message_at` if given, and extras; None takes an extra away.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one(
            "update_conversation",
            org_id,
            conversation_id=conversation_id,
            columns=json.dumps(columns),
            extras=json.dumps(extras),
        )
        if row is None:
            raise NotFound("conversation", conversation_id)
        return _view(row["conversation"])

    def delete_conversation(self, org_id: OrgId, conversation_id: str) -> None:
        """Delete a conversation with its history and its runs; the agent's memory stays.

        Raises:
            NotFound: there is none with this id.
            InvalidRequest: it is the default one of its agent.
            AgentBusy: a run is working in it; nothing was deleted.
        """
        call = json.dumps({"org_id": org_id, "conversation_id": conversation_id})
        answer = self._queries.call("delete_conversation", call=call)
        match answer["outcome"]:
            case "ok":
                return
            case "busy":
                raise AgentBusy(answer["conversation_id"], answer["run_id"])
            case "default":
                raise InvalidRequest(
                    "an agent's default conversation cannot be deleted; its messages can be reset",
                    field="conversation_id",
                )
            case _:
                raise NotFound(answer["kind"], answer["id"])

    def fork_conversation(
        self,
        org_id: OrgId,
        ref: ConversationRef,
        *,
        message_id: str | None,
        step_id: str | None = None,
        new_id: str,
        hidden: bool,
    ) -> ConversationView:
        """Copy a conversation up to a message, or the end of a step (None: all of it).

        The same `new_id` again gives the copy that is there.

        Raises:
            NotFound: the conversation, or it has no such message or step.
        """
        call = {
            "org_id": org_id,
            "agent_id": ref.agent_id,
            "conversation_id": ref.conversation_id,
            "message_id": message_id,
            "step_id": step_id,
            "new_id": new_id,
            "hidden": hidden,
        }
        answer: Row = self._queries.call("fork_conversation", call=json.dumps(call))
        if answer["outcome"] != "ok":
            raise NotFound(answer["kind"], answer["id"])
        return _view(answer["conversation"])


def _missing(ref: ConversationRef) -> NotFound:
    if ref.conversation_id is None:
        return NotFound("agent", ref.agent_id or "")
    return NotFound("conversation", ref.conversation_id)


def _view(row: Row) -> ConversationView:
    return ConversationView(
        id=row["id"],
        agent_id=row["agent_id"],
        is_default=row["is_default"],
        summary=row["summary"],
        extras=row["extras"],
        message_ids=tuple(row["message_ids"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        last_message_at=instant(row["last_message_at"]),
    )
