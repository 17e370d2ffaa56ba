"""An agent, and the official OpenAI client that talks to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from openai import OpenAI
from support.server import MODEL

if TYPE_CHECKING:
    from letta_client.types import AgentState
    from support.server import Server


def openai_client(server: Server) -> OpenAI:
    return OpenAI(base_url=f"{server.base_url}/v1", api_key="none", max_retries=0)


def a_named_agent(server: Server) -> AgentState:
    """An agent whose name nobody else has."""
    with server.client() as client:
        return client.agents.create(
            name=uuid.uuid4().hex,
            model=MODEL,
            memory_blocks=[{"label": "human", "value": "Name: Bob"}],
        )


def said_in(server: Server, conversation: str) -> list[str]:
    """What the user and the agent said in a conversation, oldest first."""
    with server.client() as client:
        page = client.conversations.messages.list(
            conversation, include_return_message_types=["user_message", "assistant_message"]
        )
        return [message.content for message in page.items]
