"""Conversations: several histories of an agent over one memory.

`default` together with `agent_id` is the agent's own conversation, which the agent routes use.
What is said in a conversation is in routes/conversation_messages.py.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.conversation_refs import (
    ConversationIdPath,
    ThisConversation,
    conversation_ref,
)
from remanence.api.deps import Call, ThisCall
from remanence.api.ids import of_kind
from remanence.api.pages import page_of
from remanence.api.wire.conversations import (
    ConversationState,
    CreateConversation,
    UpdateConversation,
    conversation_to_wire,
)
from remanence.core.context import compile_context
from remanence.core.types import Agent
from remanence.db.conversations import ConversationFilter
from remanence.db.paging import Page
from remanence.errors import Conflict, InvalidRequest

router = APIRouter(tags=["conversations"])

_SORTABLE = ("created_at", "last_run_completion", "last_message_at")
AgentIdQuery = Annotated[str, of_kind("agent"), Query(description="Whose conversation.")]
MessageIdQuery = Annotated[
    Annotated[str, of_kind("message")] | None, Query(description="The last message to copy.")
]
StepIdQuery = Annotated[
    Annotated[str, of_kind("step")] | None,
    Query(description="The step whose last message is the last to copy."),
]


@router.post("/v1/conversations/")
def create_conversation(
    agent_id: AgentIdQuery, call: ThisCall, body: CreateConversation | None = None
) -> ConversationState:
    """Begin a conversation: an empty history over the agent's memory."""
    body = body or CreateConversation()
    extras = body.to_extras(_agent(call, agent_id), {}, call.models.context_window)
    if body.hidden:
        extras["hidden"] = True
    view = call.deps.catalog.conversations.create_conversation(
        call.org_id,
        agent_id,
        conversation_id=call.deps.new_id("conv"),
        summary=body.summary,
        extras={name: value for name, value in extras.items() if value is not None},
    )
    return conversation_to_wire(view)


def _agent(call: Call, agent_id: str) -> Agent:
    return call.deps.catalog.agents.load_agent(call.org_id, agent_id, ()).agent


class ConversationQuery(BaseModel):
    """The filters of a list of conversations."""

    agent_id: Annotated[str, of_kind("agent")] | None = None
    archive_status: Literal["unarchived", "archived", "all"] = "unarchived"
    summary_search: str | None = Field(default=None, description="A part of the summary.")

    def to_filter(self) -> ConversationFilter:
        """The filter for the database."""
        return ConversationFilter(
            agent_id=self.agent_id,
            summary_search=self.summary_search or None,
            archived=None if self.archive_status == "all" else self.archive_status == "archived",
        )


@router.get("/v1/conversations/")
def list_conversations(
    query: Annotated[ConversationQuery, Query()],
    page: Annotated[Page, page_of("conv", sortable=_SORTABLE)],
    call: ThisCall,
) -> list[ConversationState]:
    """List conversations; the default ones of agents are not among them."""
    views = call.deps.catalog.conversations.list_conversations(call.org_id, query.to_filter(), page)
    return [conversation_to_wire(view) for view in views]


@router.get("/v1/conversations/{conversation_id}")
def retrieve_conversation(ref: ThisConversation, call: ThisCall) -> ConversationState:
    """Read a conversation."""
    view = call.deps.catalog.conversations.load_conversation(call.org_id, ref)
    return conversation_to_wire(view)


@router.patch("/v1/conversations/{conversation_id}")
def update_conversation(
    ref: ThisConversation, body: UpdateConversation, call: ThisCall
) -> ConversationState:
    """Change a conversation; the next message in it is answered as it is then."""
    conversations = call.deps.catalog.conversations
    known = conversations.load_conversation(call.org_id, ref)
    agent = _agent(call, known.agent_id)
    extras = body.to_extras(agent, known.extras, call.models.context_window)
    view = conversations.update_conversation(
        call.org_id,
        known.id,
        columns=body.to_columns(),
        extras=extras | body.archived_extras(known.extras, call.deps.now()),
    )
    return conversation_to_wire(view)


@router.delete("/v1/conversations/{conversation_id}")
def delete_conversation(ref: ThisConversation, call: ThisCall) -> None:
    """Delete a conversation with its history and its runs; the agent's memory stays."""
    conversations = call.deps.catalog.conversations
    known = conversations.load_conversation(call.org_id, ref)
    conversations.delete_conversation(call.org_id, known.id)


@router.post("/v1/conversations/{conversation_id}/fork")
def fork_conversation(
    ref: ThisConversation,
    call: ThisCall,
    message_id: MessageIdQuery = None,
    step_id: StepIdQuery = None,
    hidden: Annotated[bool, Query(description="Leave the copy out of lists.")] = False,
) -> ConversationState:
    """Copy a conversation up to a message or a step into a new one, which goes on from there.

    The copies have ids of their own and belong to no run.
    """
    if message_id is not None and step_id is not None:
        raise InvalidRequest("step_id in the query: send either it or message_id", field="step_id")
    view = call.deps.catalog.conversations.fork_conversation(
        call.org_id,
        ref,
        message_id=message_id,
        step_id=step_id,
        new_id=call.deps.new_id("conv"),
        hidden=hidden,
    )
    return conversation_to_wire(view)


@router.post("/v1/conversations/{conversation_id}/cancel")
def cancel_conversation(ref: ThisConversation, call: ThisCall) -> dict[str, str]:
    """Stop the runs of a conversation, and give up the calls that wait for an approval in it.

    A run that a worker is at stops before its next step is stored.
    """
    known = call.deps.catalog.conversations.load_conversation(call.org_id, ref)
    stopped = call.deps.engine.cancel(call.org_id, conversation_id=known.id)
    if not stopped:
        raise Conflict(f"conversation {known.id!r} has no active runs to cancel")
    return {run.run_id: "cancelled" for run in stopped}


class RecompileRequest(BaseModel):
    """Which conversation, if it is `default`."""

    agent_id: str | None = Field(default=None, description='Needed for the conversation "default".')
    compaction_settings: dict[str, Any] | None = Field(
        default=None, description="Without effect: to recompile moves no message."
    )


@router.post("/v1/conversations/{conversation_id}/recompile")
def recompile_conversation(
    conversation_id: ConversationIdPath,
    call: ThisCall,
    body: RecompileRequest | None = None,
    dry_run: Annotated[bool, Query(description="Only show it, change nothing.")] = False,
) -> str:
    """Compile the system prompt of this conversation afresh at its next step, and read it now.

    Nothing has to be recompiled for a change to be seen: see the same of an agent.
    """
    deps = call.deps
    ref = conversation_ref(conversation_id, body.agent_id if body else None)
    known = deps.catalog.conversations.load_conversation(call.org_id, ref)
    state = deps.engine.peek(call.org_id, known.id)
    if not dry_run:
        deps.catalog.agents.forget_epochs(call.org_id, known.agent_id)
    afresh = replace(state, conversation=replace(state.conversation, epoch=None))
    return compile_context(afresh, deps.zones(state.agent.timezone)).request.system
