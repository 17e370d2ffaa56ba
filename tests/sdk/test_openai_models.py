"""Agents as models, through the official OpenAI client, beside the list of Letta's SDKs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from support.openai_agents import a_named_agent, openai_client
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from support.server import Server


def test_agent_is_listed_and_read_as_a_model_and_answers_by_it(server: Server) -> None:
    agent = a_named_agent(server)
    client = openai_client(server)

    [listed] = [model for model in client.models.list() if model.id == agent.name]
    read = client.models.retrieve(agent.id)
    said: Any = client.chat.completions.create(
        model=listed.id, messages=[{"role": "user", "content": "hi [[script: say Hello]]"}]
    )

    assert (listed.object, read.object, read.id) == ("model", "model", agent.id)
    assert agent.created_at is not None
    assert listed.created == read.created == int(agent.created_at.timestamp())
    assert client.models.retrieve(agent.name).id == agent.name
    assert said.choices[0].message.content == "Hello"


def test_agents_of_one_name_are_listed_by_their_ids_and_hidden_ones_are_not(server: Server) -> None:
    agent = a_named_agent(server)
    with server.client() as letta:
        twin = letta.agents.create(name=agent.name, model=MODEL)
        hidden = letta.agents.create(model=MODEL, hidden=True)

    ids = {model.id for model in openai_client(server).models.list()}

    assert {agent.id, twin.id} <= ids
    assert {agent.name, hidden.name, hidden.id} & ids == set()


def test_model_that_is_not_there_is_not_found(server: Server) -> None:
    for name in (new_id("agent"), "nobody"):
        with pytest.raises(openai.NotFoundError):
            openai_client(server).models.retrieve(name)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/"])
def test_sdk_of_letta_gets_its_own_list_by_either_spelling(server: Server, path: str) -> None:
    answer = httpx.get(server.base_url + path, headers={"user-agent": "Letta/Python 1.12.1"})

    with server.client() as letta:
        assert [model["handle"] for model in answer.json()] == [
            m.handle for m in letta.models.list()
        ]
