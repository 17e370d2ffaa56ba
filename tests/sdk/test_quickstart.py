"""A first program with the official Python SDK, start to end, as its documentation has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from letta_client import Letta
from support.server import MODEL

if TYPE_CHECKING:
    from support.server import Server


def test_quickstart_makes_an_agent_that_remembers(server: Server) -> None:
    client = Letta(base_url=server.base_url)

    agent = client.agents.create(
        model=MODEL,
        embedding="openai/text-embedding-3-small",
        memory_blocks=[
            {"label": "human", "value": "The human's name is Ada."},
            {"label": "persona", "value": "I am a kind companion."},
        ],
        tools=["archival_memory_insert", "archival_memory_search"],
    )
    response = client.agents.messages.create(
        agent_id=agent.id,
        messages=[
            {
                "role": "user",
                "content": "I live in Ulm. [[script: call memory_insert "
                '{"label": "human", "new_string": "Lives in Ulm."}]] [[then: say Noted.]]',
            }
        ],
    )
    spoken = [m.content for m in response.messages if m.message_type == "assistant_message"]

    stream = client.agents.messages.create(
        agent_id=agent.id,
        messages=[{"role": "user", "content": "And now? [[script: say You live in Ulm.]]"}],
        streaming=True,
        stream_tokens=True,
    )
    streamed = [event.content for event in stream if event.message_type == "assistant_message"]

    human = client.agents.blocks.retrieve(agent_id=agent.id, block_label="human")
    client.agents.passages.create(agent_id=agent.id, text="Ada keeps bees.")
    found = client.agents.passages.search(agent_id=agent.id, query="bees")
    history = [m.message_type for m in client.agents.messages.list(agent_id=agent.id)]

    assert spoken == ["Noted."]
    assert len(streamed) > 1
    assert "".join(str(text) for text in streamed) == "You live in Ulm."
    assert "Lives in Ulm." in human.value
    assert [result.content for result in found.results] == ["Ada keeps bees."]
    assert history == [
        "user_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "user_message",
        "assistant_message",
    ]
