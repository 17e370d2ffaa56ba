"""Conversations in paths: an id of one, or `default` with the agent whose own it is."""

from typing import Annotated

from fastapi import Depends, Path, Query

from remanence.api.ids import check_id
from remanence.core.ids import is_id
from remanence.db.conversations import ConversationRef
from remanence.errors import InvalidRequest

ConversationIdPath = Annotated[
    str, Path(description="The conversation's id; or default, together with agent_id.")
]


def conversation_ref(conversation_id: str, agent_id: str | None) -> ConversationRef:
    """The conversation that a path and an `agent_id` name.

    An agent's id in place of the conversation's names its default one (the protocol's old form).

    Raises:
        InvalidRequest: malformed, or `default` without an agent.
    """
    if agent_id is not None:
        check_id("agent", agent_id, field="agent_id")
    if is_id("agent", conversation_id):
        return ConversationRef(agent_id=conversation_id)
    if conversation_id != "default":
        check_id("conv", conversation_id, field="conversation_id in the path")
        return ConversationRef(agent_id=agent_id, conversation_id=conversation_id)
    if agent_id is None:
        raise InvalidRequest("agent_id is required with conversation default", field="agent_id")
    return ConversationRef(agent_id=agent_id)


async def _ref_of_request(
    conversation_id: ConversationIdPath,
    agent_id: Annotated[
        str | None, Query(description="Needed for the conversation default.")
    ] = None,
) -> ConversationRef:
    return conversation_ref(conversation_id, agent_id)


ThisConversation = Annotated[ConversationRef, Depends(_ref_of_request)]
