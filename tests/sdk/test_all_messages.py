"""Messages over all agents, and traces, through the official SDK."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import NotFoundError, UnprocessableEntityError
from support.server import MODEL, new_id, serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.pg import Database
    from support.server import Server


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL)


def test_list_pages_over_all_agents_by_time(fresh_database: Database) -> None:
    with serving(fresh_database) as server, server.client() as client:
        agents = [client.agents.create(name=str(n), model=MODEL).id for n in range(2)]
        for n in range(4):
            client.agents.messages.create(agents[n % 2], input=f"q{n} [[script: say a{n}]]")

        def said(**query: Any) -> list[str]:
            return [message.content[:2] for message in client.messages.list(**query)]

        everything = [text for n in range(4) for text in (f"q{n}", f"a{n}")]
        ids = [message.id for message in client.messages.list(order="asc")]
        assert said(order="asc") == everything
        assert said() == everything[::-1]
        assert said(order="asc", limit=3) == everything[:3]
        assert said(order="asc", after=ids[2], limit=2) == everything[3:5]
        assert said(order="asc", before=ids[2]) == everything[:2]
        assert said(after=ids[2]) == ["a0", "q0"]
        assert said(include_return_message_types=["user_message"], limit=2) == ["q3", "q2"]
        named = client.conversations.create(agent_id=agents[0]).id
        list(client.conversations.messages.create(named, input="apart [[script: say yes]]"))
        assert said(conversation_id=named) == ["ye", "ap"]
        assert said(conversation_id=new_id("conv")) == []


def test_list_with_an_unknown_cursor_is_refused(client: Letta) -> None:
    with pytest.raises(UnprocessableEntityError):
        client.messages.list(after=new_id("message"))


def test_retrieve_gives_the_parts_of_a_message(client: Letta, agent: AgentState) -> None:
    answer = client.agents.messages.create(agent.id, input="go [[script: think hm]] [[and: say x]]")
    message_id = answer.messages[0].id

    parts = client.messages.retrieve(message_id)

    assert [part.message_type for part in parts] == ["reasoning_message", "assistant_message"]
    assert {part.id for part in parts} == {message_id}
    with pytest.raises(NotFoundError):
        client.messages.retrieve(new_id("message"))
    with pytest.raises(UnprocessableEntityError):
        client.messages.retrieve("message-1")


def test_search_finds_what_was_said_to_one_or_to_all(client: Letta, agent: AgentState) -> None:
    word = f"w{uuid.uuid4().hex}"
    other = client.agents.create(name="other", model=MODEL)
    for each in (agent, other):
        client.agents.messages.create(each.id, input=f"about {word} [[script: say I see]]")
    named = client.conversations.create(agent_id=agent.id).id
    list(client.conversations.messages.create(named, input=f"again of {word} [[script: say ok]]"))

    of_one = client.messages.search(query=word, agent_id=agent.id)
    of_all = client.messages.search(query=word)
    of_conversation = client.messages.search(query=word, conversation_id=named)
    limited = client.messages.search(query=word, limit=1, search_mode="fts")

    assert {hit.agent_id for hit in of_one} == {agent.id}
    assert {hit.agent_id for hit in of_all} == {agent.id, other.id}
    hit = of_conversation[0]
    assert {found.conversation_id for found in of_conversation} == {named}
    assert hit.message_type == "user_message"
    assert (hit.conversation_id, hit.agent_id) == (named, agent.id)
    assert hit.content.startswith(f"again of {word}")
    assert client.messages.retrieve(hit.message_id)[0].content == hit.content
    assert len(limited) == 1


def test_search_honours_dates(client: Letta, agent: AgentState) -> None:
    client.agents.messages.create(agent.id, input="about tea [[script: say I see]]")
    now = datetime.now(UTC)

    def finds(**dates: Any) -> bool:
        return bool(client.messages.search(query="tea", agent_id=agent.id, **dates))

    assert finds()
    assert finds(start_date=now - timedelta(hours=1), end_date=now + timedelta(hours=1))
    assert not finds(start_date=now + timedelta(hours=1))
    assert not finds(end_date=now - timedelta(hours=1))


def test_search_of_what_does_not_exist_is_refused(client: Letta) -> None:
    with pytest.raises(NotFoundError):
        client.messages.search(query="x", agent_id=new_id("agent"))
    with pytest.raises(NotFoundError):
        client.messages.search(query="x", conversation_id=new_id("conv"))


def test_request_of_a_step_is_compiled_again_until_its_history_is_gone(
    server: Server, client: Letta, agent: AgentState
) -> None:
    answer = client.agents.messages.create(agent.id, input="hello [[script: say Hi]]")
    step_id = answer.messages[0].step_id
    url = f"{server.base_url}/v1/steps/{step_id}/request"

    shown = httpx.get(url).json()
    client.agents.messages.reset(agent.id)
    refused = httpx.get(url)

    assert shown["step_id"] == step_id
    assert shown["request"]["turns"][0]["parts"] == [
        {"type": "text", "text": "hello [[script: say Hi]]"}
    ]
    assert refused.status_code == 409
    assert "deleted" in refused.json()["detail"]


def test_traces_tell_what_a_step_was_made_from(client: Letta, agent: AgentState) -> None:
    answer = client.agents.messages.create(agent.id, input="secret [[script: say Hi]]")
    message = answer.messages[0]

    trace = client.steps.trace.retrieve(message.step_id)
    spans = client.runs.trace.retrieve(message.run_id)

    assert trace is not None
    assert trace.step_id == message.step_id
    assert trace.request_json["model"] == MODEL
    assert trace.response_json["usage"]["completion_tokens"] > 0
    assert "secret" not in str(trace.request_json), "words are in the history, not here"
    assert [span["name"] for span in spans] == ["run", "step"]
    assert spans[1]["parent_span_id"] == spans[0]["span_id"] == message.run_id
    assert client.runs.trace.retrieve(message.run_id, limit=1) == spans[:1]
    with pytest.raises(NotFoundError):
        client.steps.trace.retrieve(new_id("step"))
    with pytest.raises(NotFoundError):
        client.runs.trace.retrieve(new_id("run"))
