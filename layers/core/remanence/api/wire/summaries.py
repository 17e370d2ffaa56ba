"""Summaries of a conversation for callers. Path: db/conversations.py -> Summary -> here."""

from pydantic import BaseModel, Field

from remanence.api.wire.instants import Instant
from remanence.core.summaries import Summary


class SummaryState(BaseModel):
    """A text that stands for messages which left the window."""

    id: str
    level: int = Field(description="0: covers messages; n + 1: covers summaries of level n.")
    from_seq: int = Field(description="Place of the first message it covers, from 1.")
    to_seq: int = Field(description="Place of the last message it covers.")
    text: str
    tokens: int = Field(description="How many tokens it has, estimated.")
    model: str = Field(description="The handle that wrote it; extractive: no model.")
    created_at: Instant


def summary_to_wire(summary: Summary) -> SummaryState:
    """A summary as callers read it."""
    return SummaryState(
        id=summary.id,
        level=summary.level,
        from_seq=summary.from_seq,
        to_seq=summary.to_seq,
        text=summary.text,
        tokens=summary.tokens,
        model=summary.model,
        created_at=summary.created_at,
    )
