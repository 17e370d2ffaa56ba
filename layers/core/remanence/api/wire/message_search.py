"""Searches over messages, and what they find, as the protocol has them.

Path: routes/all_messages.py -> here -> db/recall.py -> MessageHit -> here.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from remanence.api.ids import of_kind
from remanence.api.wire.instants import Instant
from remanence.api.wire.passages import BudgetTokens
from remanence.core.exchange import Text
from remanence.core.search_tools import MessageHit

_TYPES: dict[str, Literal["system_message", "user_message", "assistant_message"]] = {
    "system": "system_message",
    "user": "user_message",
    "assistant": "assistant_message",
}


class MessageSearch(BaseModel):
    """A search over what was said."""

    query: str = Field(description="Any words, or a question; empty: the newest messages.")
    agent_id: str | None = Field(default=None, description="Only this agent's conversations.")
    conversation_id: str | None = Field(default=None, description="Only this conversation.")
    roles: list[Literal["user", "assistant", "system"]] | None = Field(
        default=None, description="Only what these said; null: user and assistant."
    )
    limit: int = Field(default=50, ge=1, le=100)
    budget_tokens: BudgetTokens = None
    after: Annotated[str, of_kind("message")] | None = Field(
        default=None,
        description="Only what the search ranks behind this message; its id. With an agent_id or "
        "a conversation_id only: what several agents heard has no common order.",
    )
    search_mode: Literal["vector", "fts", "hybrid"] = Field(
        default="hybrid",
        description="fts: by words alone; else by vectors too, where the agent has a model for "
        "them. A message has its vector soon after it was said.",
    )
    start_date: Instant | None = Field(default=None, description="Not before; inclusive.")
    end_date: Instant | None = Field(default=None, description="Not after; inclusive.")


class MessageSearchHit(BaseModel):
    """A message that a search found."""

    message_type: Literal["system_message", "user_message", "assistant_message"]
    message_id: str
    content: str = Field(description="What was said.")
    created_at: Instant
    agent_id: str | None
    conversation_id: str | None
    score: float = Field(description="Larger is better; only comparable within one search.")
    legs: dict[str, float | bool | None] = Field(
        description="What each part found: words, vector, when, speaker, phrase."
    )


def hit_to_wire(hit: MessageHit) -> MessageSearchHit:
    """A found message."""
    said = [part.text for part in hit.message.parts if isinstance(part, Text)]
    return MessageSearchHit(
        message_type=_TYPES[hit.message.role],
        message_id=hit.message.id,
        content="\n".join(said),
        created_at=hit.message.created_at,
        agent_id=hit.agent_id,
        conversation_id=hit.conversation_id,
        score=hit.score,
        legs=dict(hit.legs),
    )
