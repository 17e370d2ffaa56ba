"""What is going on in a conversation: which tool calls wait for an answer, which run is not over.

Path: api/routes -> Ongoing -> sql/. Each method is one round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.db.rows import message_from_row
from remanence.errors import NotFound

if TYPE_CHECKING:
    from remanence.core.ids import OrgId
    from remanence.core.types import Message
    from remanence.db.conversations import ConversationRef
    from remanence.db.queries import Queries


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequest:
    """A stored reply whose calls wait, or waited, for an answer.

    `caller_tools`: names of the tools that its caller runs.
    """

    message: Message
    is_pending: bool
    caller_tools: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRun:
    """A conversation, and the run of it that was looked for; None when there is none."""

    conversation_id: str
    run_id: str | None


class Ongoing:
    """Reads only."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def find_approval_requests(
        self, org_id: OrgId, ref: ConversationRef, *, message_id: str | None, call_id: str | None
    ) -> list[ApprovalRequest]:
        """The request that waits, and the one of this id (or with this call), newest first.

        Empty when the conversation has neither, or does not exist.
        """
        rows = self._queries.rows(
            "find_approval_requests",
            org_id,
            agent_id=ref.agent_id,
            conversation_id=ref.conversation_id,
            message_id=message_id,
            call_id=call_id,
        )
        return [
            ApprovalRequest(
                message=message_from_row(row["message"]),
                is_pending=row["is_pending"],
                caller_tools=frozenset(row["caller_tools"]),
            )
            for row in rows
        ]

    def find_conversation_run(
        self,
        org_id: OrgId,
        ref: ConversationRef,
        *,
        run_id: str | None = None,
        otid: str | None = None,
    ) -> ConversationRun:
        """The run of this id, or asked with a message of this otid, or the newest unfinished one.

        Raises:
            NotFound: no such agent or conversation.
        """
        row = self._queries.one(
            "find_conversation_run",
            org_id,
            agent_id=ref.agent_id,
            conversation_id=ref.conversation_id,
            run_id=run_id,
            otid=otid,
        )
        if row is None:
            kind = "agent" if ref.conversation_id is None else "conversation"
            raise NotFound(kind, ref.conversation_id or ref.agent_id or "")
        return ConversationRun(conversation_id=row["conversation_id"], run_id=row["run_id"])
