"""Agents: make, list, read, change, delete."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from remanence.api.agent_secrets import sealed
from remanence.api.deps import Call, ThisCall
from remanence.api.ids import AgentIdPath
from remanence.api.pages import check_order_by, page_of
from remanence.api.relations import WantedRelations
from remanence.api.wire.agent_fields import AgentFields
from remanence.api.wire.agent_requests import CreateAgent, Making, UpdateAgent
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.problems import UNSERVED
from remanence.core.context import compile_context
from remanence.core.ids import DEFAULT_USER_ID
from remanence.core.types import StopReason
from remanence.db.catalog_agents import AgentFilter
from remanence.db.catalog_tools import ToolFilter
from remanence.db.paging import Page

router = APIRouter(tags=["agents"])

# Seconds in which providers say what they offer.
_LIST_S = 5.0
_SORTABLE = ("created_at", "updated_at", "last_run_completion")


@router.post("/v1/agents/", responses=UNSERVED)
def create_agent(body: CreateAgent, call: ThisCall) -> AgentState:
    """Make an agent, with its blocks, tools and first messages, or nothing at all."""
    deps = call.deps
    _check_embedding(body, call)
    making = Making(
        new_id=deps.new_id,
        now=deps.now(),
        window_of=call.models.context_window,
        default_model=deps.default_model or (None if body.names_a_model else _first_model(call)),
        default_embedding=deps.default_embedding,
        tool_names=_names_of_tools(body, call),
    )
    new = body.to_new(making)
    new = replace(new, secrets=sealed(body.given_secrets() or {}, new.agent.id, call))
    return agent_to_wire(deps.catalog.agents.create_agent(call.org_id, new))


def _first_model(call: Call) -> str | None:
    """What a deployment without a default offers first, as a server of local models does."""
    deps = call.deps
    offered = call.models.list_models(deadline=deps.monotonic() + _LIST_S)
    return offered[0].handle if offered else None


class AgentQuery(BaseModel):
    """The filters of a list of agents."""

    name: str | None = Field(default=None, description="Exactly this name.")
    query_text: str | None = Field(default=None, description="A part of the name.")
    tags: list[str] | None = Field(default=None, description="Any of these tags.")
    match_all_tags: bool = Field(
        default=False, description="Whether each of the tags is needed; if not, one is enough."
    )
    last_stop_reason: StopReason | None = Field(default=None, description="Of the last run.")
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    identity_id: str | None = Field(default=None, description="Attached to this identity.")
    identifier_keys: list[str] | None = Field(
        default=None, description="Attached to an identity with one of these keys."
    )
    created_by_id: str | None = None
    show_hidden_agents: bool = Field(default=False, description="Hidden ones too.")
    ascending: bool | None = Field(default=None, description="Old form of `order`.")
    sort_by: str | None = Field(default=None, description="Old form of `order_by`.")

    def finds_nothing(self) -> bool:
        """Whether it asks for what no agent here has."""
        return self.created_by_id not in {None, DEFAULT_USER_ID}

    def to_filter(self) -> AgentFilter:
        """The filter for the catalog."""
        return AgentFilter(
            agent_name=self.name,
            query_text=self.query_text,
            tags=self.tags or None,
            match_all_tags=self.match_all_tags,
            last_stop_reason=self.last_stop_reason,
            project_id=self.project_id,
            template_id=self.template_id,
            base_template_id=self.base_template_id,
            identity_id=self.identity_id,
            identifier_keys=self.identifier_keys or None,
            with_hidden=self.show_hidden_agents,
        )

    def sorted(self, page: Page) -> Page:
        """The page, with the old forms of its order.

        Raises:
            InvalidRequest: agents cannot be sorted by that.
        """
        if self.sort_by is not None:
            check_order_by(self.sort_by, _SORTABLE)
            page = replace(page, order_by=self.sort_by)
        if self.ascending is not None:
            page = replace(page, order="asc" if self.ascending else "desc")
        return page


@router.get("/v1/agents/")
def list_agents(
    query: Annotated[AgentQuery, Query()],
    page: Annotated[Page, page_of("agent", sortable=_SORTABLE)],
    relations: WantedRelations,
    call: ThisCall,
) -> list[AgentState]:
    """List agents."""
    page = query.sorted(page)
    if query.finds_nothing():
        return []
    views = call.deps.catalog.agents.list_agents(
        call.org_id, query.to_filter(), page, relations.stored
    )
    return [agent_to_wire(view, with_tags=relations.with_tags) for view in views]


@router.get("/v1/agents/{agent_id}")
def retrieve_agent(agent_id: AgentIdPath, relations: WantedRelations, call: ThisCall) -> AgentState:
    """Read an agent."""
    view = call.deps.catalog.agents.load_agent(call.org_id, agent_id, relations.stored)
    return agent_to_wire(view, with_tags=relations.with_tags)


@router.patch("/v1/agents/{agent_id}", responses=UNSERVED)
def update_agent(agent_id: AgentIdPath, body: UpdateAgent, call: ThisCall) -> AgentState:
    """Change an agent; its next step runs as it is then."""
    _check_embedding(body, call)
    names = _names_of_tools(body, call)
    window_of = call.models.context_window
    given = body.given_secrets()
    seals = None if given is None else sealed(given, agent_id, call)
    view = call.deps.catalog.agents.update_agent(
        call.org_id,
        agent_id,
        lambda known: replace(body.to_change(known, window_of, names), secrets=seals),
    )
    return agent_to_wire(view)


@router.delete("/v1/agents/{agent_id}")
def delete_agent(agent_id: AgentIdPath, call: ThisCall) -> dict[str, str]:
    """Delete an agent with its history and its own archival memory; its blocks stay."""
    call.deps.catalog.agents.delete_agent(call.org_id, agent_id)
    return {"message": f"Agent id={agent_id} successfully deleted"}


@router.post("/v1/agents/{agent_id}/recompile")
def recompile_agent(
    agent_id: AgentIdPath,
    call: ThisCall,
    dry_run: Annotated[bool, Query(description="Only show it, change nothing.")] = False,
    update_timestamp: Annotated[
        bool, Query(description="Without effect: the prompt holds the time of its epoch.")
    ] = False,
) -> str:
    """Compile the system prompt afresh at the next step, and read what it will be.

    Nothing has to be recompiled for a change to be seen: what changed since the prompt was
    compiled is told to the model behind the newest message. This brings it into the prompt itself.
    """
    del update_timestamp
    state = call.deps.catalog.agents.load_prompt_state(call.org_id, agent_id)
    if not dry_run:
        call.deps.catalog.agents.forget_epochs(call.org_id, agent_id)
    afresh = replace(state, conversation=replace(state.conversation, epoch=None))
    return compile_context(afresh, UTC).request.system


def _check_embedding(body: AgentFields, call: Call) -> None:
    """A model that cannot be called would cost each passage its vector, and say so to nobody."""
    handle = body.embedding_handle()
    if handle is not None:
        call.models.check_embedding(handle)


def _names_of_tools(body: AgentFields, call: Call) -> Mapping[str, str]:
    """The names of the tools a caller gives by id, read only if its rules have to be checked."""
    if not body.tool_rules or not body.tool_ids:
        return {}
    wanted = ToolFilter(tool_ids=body.tool_ids)
    tools = call.deps.catalog.tools.list_tools(call.org_id, wanted, Page(limit=len(body.tool_ids)))
    return {tool.id: tool.name for tool in tools}
