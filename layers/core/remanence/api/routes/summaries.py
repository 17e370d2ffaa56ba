"""The tree of summaries that stands for what has left a conversation's window."""

from typing import Annotated

from fastapi import APIRouter, Query

from remanence.api.conversation_refs import ThisConversation
from remanence.api.deps import ThisCall
from remanence.api.ids import of_kind
from remanence.api.wire.summaries import SummaryState, summary_to_wire

router = APIRouter(tags=["conversations"])

ParentId = Annotated[
    Annotated[str, of_kind("summary")] | None,
    Query(description="The summary whose parts are wanted; without it, those in the window."),
]


@router.get("/v1/conversations/{conversation_id}/summaries")
def list_summaries(
    ref: ThisConversation, call: ThisCall, parent_id: ParentId = None
) -> list[SummaryState]:
    """List the summaries in a conversation's window, or the parts of one, oldest first.

    One of level 0 has no parts: it covers the messages from its `from_seq` to its `to_seq`.
    """
    conversations = call.deps.catalog.conversations
    found = conversations.list_summaries(call.org_id, ref, parent_id=parent_id)
    return [summary_to_wire(summary) for summary in found]
