"""Agents that begin as another one was."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from remanence.api.deps import ThisCall
from remanence.api.ids import AgentIdPath, of_kind
from remanence.api.wire.agents import AgentState, agent_to_wire
from remanence.api.wire.bodies import WriteBody
from remanence.db.forks import AgentFork

router = APIRouter(tags=["agents"])


class ForkAgent(WriteBody):
    """From where to fork, and what to share."""

    step_id: Annotated[str, of_kind("step")] | None = Field(
        default=None, description="As that step left it, in its conversation; null: as it is now."
    )
    name: str | None = Field(default=None, min_length=1, description="null: the same name.")
    share_blocks: bool = Field(
        default=False,
        description="Blocks that other agents have too are shared with them, as they are now; "
        "otherwise all are copied, as they were.",
    )


@router.post("/v1/agents/{agent_id}/fork")
def fork_agent(agent_id: AgentIdPath, body: ForkAgent, call: ThisCall) -> AgentState:
    """Make an agent that begins as this one was when a step of it was over.

    History, blocks and the agent's own archive are copied as they were, its configuration as it
    is; other archives are shared. Secrets, identities and other conversations are not copied.
    """
    deps = call.deps
    fork = AgentFork(
        agent_id=agent_id,
        step_id=body.step_id,
        new_id=deps.new_id("agent"),
        conversation_id=deps.new_id("conv"),
        archive_id=deps.new_id("archive"),
        agent_name=body.name,
        share_blocks=body.share_blocks,
    )
    deps.catalog.forks.fork_agent(call.org_id, fork, call.author)
    return agent_to_wire(deps.catalog.agents.load_agent(call.org_id, fork.new_id))
