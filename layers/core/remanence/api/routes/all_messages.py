"""Messages of all agents together: listed, read by id, and searched."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.ids import MessageIdPath, of_kind
from remanence.api.pages import page_of
from remanence.api.wire.inputs import MessageType
from remanence.api.wire.message_search import MessageSearch, MessageSearchHit, hit_to_wire
from remanence.api.wire.message_types import MESSAGE_LIST
from remanence.api.wire.messages import View, WireMessage, to_wire, to_wire_all
from remanence.core.search_tools import MessageHit, hits_in_budget
from remanence.core.types import Agent
from remanence.db.catalog_agents import AgentFilter
from remanence.db.conversations import ConversationRef
from remanence.db.paging import Page
from remanence.errors import InvalidRequest

router = APIRouter(tags=["messages"])

# A search that names no agent looks into the conversations of those that ran last.
MAX_AGENTS_SEARCHED = 50


class AllMessagesQuery(BaseModel):
    """The filters of a list over all agents."""

    conversation_id: Annotated[str, of_kind("conv")] | None = Field(
        default=None, description="Only this conversation."
    )
    include_return_message_types: list[MessageType] | None = Field(
        default=None, description="Only messages of these types."
    )


@router.get("/v1/messages/", response_model=None, responses=MESSAGE_LIST)
def list_all_messages(
    query: Annotated[AllMessagesQuery, Query()],
    page: Annotated[Page, page_of("message", limit=100)],
    call: ThisCall,
) -> list[WireMessage]:
    """List the messages of all agents by time; the cursors are relative to the order."""
    kinds = query.include_return_message_types
    view = View(message_types=frozenset(kinds) if kinds else None)
    messages = call.deps.history.list_all_messages(
        call.org_id,
        page,
        conversation_id=query.conversation_id,
        message_types=sorted(kinds) if kinds else None,
        speech_tool=view.speech.tool_name,
    )
    return to_wire_all(messages, view)


@router.get("/v1/messages/{message_id}", response_model=None, responses=MESSAGE_LIST)
def retrieve_message(message_id: MessageIdPath, call: ThisCall) -> list[WireMessage]:
    """Read a message: one entry for each of its parts."""
    return to_wire(call.deps.history.find_message(call.org_id, message_id), View())


@router.post("/v1/messages/search")
def search_messages(body: MessageSearch, call: ThisCall) -> list[MessageSearchHit]:
    """Search what was said to agents and by them, best first.

    Without `agent_id` and `conversation_id`, the agents that ran last are searched, up to 50, by
    words: vectors of different models cannot be compared.
    """
    agents = _agents_searched(body, call)
    vector = None
    if len(agents) == 1 and body.search_mode != "fts":
        vector = call.archival.vector(agents[0].embedding, body.query)
    hits = [
        hit
        for agent in agents
        for hit in call.deps.recall.search_messages(
            call.org_id,
            agent_id=agent.id,
            query=body.query,
            roles=body.roles or (),
            limit=body.limit,
            start=body.start_date,
            end=body.end_date,
            conversation_id=body.conversation_id,
            after=body.after,
            vector=vector,
        )
    ]
    if len(agents) > 1:
        hits = sorted(hits, key=_worth, reverse=True)[: body.limit]
    return [hit_to_wire(hit) for hit in hits_in_budget(hits, body.budget_tokens)]


def _agents_searched(body: MessageSearch, call: Call) -> list[Agent]:
    catalog = call.deps.catalog
    agent_id = body.agent_id
    if body.conversation_id is not None:
        ref = ConversationRef(agent_id=body.agent_id, conversation_id=body.conversation_id)
        agent_id = catalog.conversations.load_conversation(call.org_id, ref).agent_id
    if agent_id is not None:
        return [catalog.agents.load_agent(call.org_id, agent_id, ()).agent]
    if body.after is not None:
        raise InvalidRequest("after: name an agent_id or a conversation_id too", field="after")
    page = Page(limit=MAX_AGENTS_SEARCHED, order_by="last_run_completion")
    views = catalog.agents.list_agents(call.org_id, AgentFilter(with_hidden=True), page, ())
    return [view.agent for view in views]


def _worth(hit: MessageHit) -> tuple[float, float, str]:
    """How hits of several agents compare: by their words."""
    return (float(hit.legs.get("words") or 0), hit.score, hit.message.created_at.isoformat())
