"""Saying something in a conversation, reading what was said in it, and compacting it."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from remanence.api.answering import begun, ordered, streamed, whole
from remanence.api.conversation_refs import ConversationIdPath, ThisConversation, conversation_ref
from remanence.api.deps import Call, ThisCall
from remanence.api.ids import AgentIdPath
from remanence.api.pages import page_of
from remanence.api.routes.messages import IdempotencyKey
from remanence.api.wire.agent_fields import CompactionFields
from remanence.api.wire.conversations import ConversationRunRequest
from remanence.api.wire.inputs import MessageType
from remanence.api.wire.message_types import MESSAGE_LIST, RUN_ANSWER
from remanence.api.wire.messages import View, WireMessage, to_wire_all
from remanence.db.conversations import ConversationRef
from remanence.db.history import Stretch
from remanence.db.paging import Page

router = APIRouter(tags=["conversations"])


@router.post(
    "/v1/conversations/{conversation_id}/messages", response_model=None, responses=RUN_ANSWER
)
def send_conversation_message(
    conversation_id: ConversationIdPath,
    body: ConversationRunRequest,
    call: ThisCall,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say something in a conversation and have the answer as a stream, or whole on request."""
    body.check_streaming()
    ref = conversation_ref(conversation_id, body.agent_id)
    order = ordered(body, ref, call, idempotency_key)
    events = begun(order, body, call)
    if body.streaming:
        return streamed(events, body, call)
    return whole(events, body, idempotency_key=order.idempotency_key)


class ConversationMessageQuery(BaseModel):
    """Which messages of a conversation."""

    include_return_message_types: list[MessageType] | None = Field(
        default=None, description="Only messages of these types."
    )
    group_id: str | None = Field(default=None, description="Finds nothing: there are no groups.")
    include_err: bool | None = Field(
        default=None, description="Without effect: an error is in its run, not in the history."
    )


@router.get(
    "/v1/conversations/{conversation_id}/messages", response_model=None, responses=MESSAGE_LIST
)
def list_conversation_messages(
    ref: ThisConversation,
    query: Annotated[ConversationMessageQuery, Query()],
    page: Annotated[Page, page_of("message", limit=100)],
    call: ThisCall,
) -> list[WireMessage]:
    """List the history of a conversation, oldest first within a page.

    `before`, `after` and `order` mean what they mean in the history of an agent.
    """
    if query.group_id is not None:
        return []
    kinds = query.include_return_message_types
    view = View(message_types=frozenset(kinds) if kinds else None)
    stretch = Stretch(
        before=page.before,
        after=page.after,
        limit=page.limit,
        newest=page.order == "desc",
        message_types=sorted(kinds) if kinds else None,
        speech_tool=view.speech.tool_name,
    )
    messages = call.deps.history.list_messages(
        call.org_id, ref.agent_id, ref.conversation_id, stretch
    )
    return to_wire_all(messages, view)


class CompactRequest(BaseModel):
    """How to compact, this time."""

    compaction_settings: CompactionFields | None = Field(
        default=None, description="What differs from the agent's settings."
    )


class CompactConversation(CompactRequest):
    """How to compact a conversation, this time."""

    agent_id: str | None = Field(default=None, description='Needed for the conversation "default".')


class CompactionState(BaseModel):
    """What a compaction did."""

    summary: str = Field(description="What stands for the messages that left the context.")
    num_messages_before: int = Field(description="Messages and summaries in context, before.")
    num_messages_after: int = Field(description="Messages and summaries in context, now.")


@router.post("/v1/conversations/{conversation_id}/compact")
def compact_conversation(
    conversation_id: ConversationIdPath, call: ThisCall, body: CompactConversation | None = None
) -> CompactionState:
    """Move the older part of a conversation out of its context, behind a summary.

    Nothing is deleted: the messages stay in the history, where the agent's search finds them.
    """
    body = body or CompactConversation()
    return _compacted(conversation_ref(conversation_id, body.agent_id), body, call)


@router.post("/v1/agents/{agent_id}/summarize")
def compact_agent(
    agent_id: AgentIdPath, call: ThisCall, body: CompactRequest | None = None
) -> CompactionState:
    """Move the older part of the agent's default conversation behind a summary."""
    return _compacted(ConversationRef(agent_id=agent_id), body or CompactRequest(), call)


def _compacted(ref: ConversationRef, body: CompactRequest, call: Call) -> CompactionState:
    deps = call.deps
    known = deps.catalog.conversations.load_conversation(call.org_id, ref)
    fields = body.compaction_settings or CompactionFields()
    done = deps.engine.compact(call.org_id, known.id, fields.applied_to)
    return CompactionState(
        summary=done.summary,
        num_messages_before=done.before,
        num_messages_after=done.after,
    )
