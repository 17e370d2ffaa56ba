"""What fills the context window of an agent."""

from typing import Annotated

from fastapi import APIRouter, Query

from remanence.api.deps import ThisCall
from remanence.api.ids import AgentIdPath, of_kind
from remanence.api.wire.context import ContextWindow, context_to_wire

router = APIRouter(tags=["agents"])


@router.get("/v1/agents/{agent_id}/context")
def read_context(
    agent_id: AgentIdPath,
    call: ThisCall,
    conversation_id: Annotated[
        Annotated[str, of_kind("conv")] | None,
        Query(description="Which of its conversations; null: the default one."),
    ] = None,
) -> ContextWindow:
    """Read what the agent's next step would send to its model, and how large each part is."""
    state = call.deps.history.load_context_state(call.org_id, agent_id, conversation_id)
    return context_to_wire(state, call.deps.zones(state.agent.timezone))
