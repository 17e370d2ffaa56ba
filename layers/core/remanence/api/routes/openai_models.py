"""Agents as the models that a client made for OpenAI may name.

That client, and front ends written for it, ask for `/v1/models`. Letta's SDKs ask for
`/v1/models/`, which lists what agents run on; so here the slash at the end tells the two apart, and
by their name (api.gate) Letta's SDKs get their own list even where a gateway drops it.
"""

from collections import Counter
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from remanence.api.deps import Call, ThisCall
from remanence.api.openai_refs import agent_id_of
from remanence.api.pages import MAX_LIMIT
from remanence.core.ids import is_id
from remanence.core.types import Agent
from remanence.db.catalog_agents import AgentFilter
from remanence.db.paging import Page

router = APIRouter(tags=["openai"])


class AgentModel(BaseModel):
    """An agent, as a model."""

    id: str = Field(description="What to name as `model`: the agent's name, or its id.")
    object: Literal["model"] = Field(default="model", description="Always `model`.")
    created: int = Field(description="When the agent was made, in seconds since 1970 (UTC).")
    owned_by: str = Field(description="The organization it belongs to.")


class AgentModels(BaseModel):
    """All of them, in one page."""

    object: Literal["list"] = Field(default="list", description="Always `list`.")
    data: list[AgentModel] = Field(description=f"The newest {MAX_LIMIT} at most.")


@router.get("/v1/models")
def list_agents_as_models(call: ThisCall) -> AgentModels:
    """List agents as models, by their names where these are unique, else by their ids."""
    page = Page(limit=MAX_LIMIT)
    views = call.deps.catalog.agents.list_agents(
        call.org_id, AgentFilter(with_hidden=True), page, ()
    )
    agents = [view.agent for view in views]
    # Beyond a full page there may be another agent of the name.
    names = Counter(agent.name for agent in agents) if len(agents) < page.limit else Counter[str]()
    return AgentModels(
        data=[
            _model(agent.name if _tells(agent.name, names) else agent.id, agent, call)
            for agent in agents
            if not agent.hidden
        ]
    )


@router.get("/v1/models/{model}")
def read_agent_as_model(model: str, call: ThisCall) -> AgentModel:
    """Read an agent as a model, by its id or its name."""
    agent = call.deps.catalog.agents.load_agent(call.org_id, agent_id_of(model, call), ()).agent
    return _model(model, agent, call)


def _tells(name: str, names: Counter[str]) -> bool:
    """Whether a name leads to its agent: a path ends at a slash, and an id is no name."""
    return names[name] == 1 and "/" not in name and not is_id("agent", name)


def _model(named: str, agent: Agent, call: Call) -> AgentModel:
    created = int(agent.created_at.timestamp())
    return AgentModel(id=named, created=created, owned_by=call.org_id)
