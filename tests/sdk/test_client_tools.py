"""Tools that the caller runs: the agent asks, the caller answers with what they returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from letta_client import ConflictError, UnprocessableEntityError
from support.twins import Twins, kinds, new_agent, twins

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.pg import Database

WEATHER: Any = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
CALL = 'call weather {"city": "Rome"}'
ASK = f"go out? [[script: {CALL}]] [[then: say It is fine]]"
NOTE = 'call memory_insert {"label": "human", "new_string": "Likes sun"}'


@pytest.fixture(scope="module")
def both(database: Database) -> Generator[Twins]:
    with twins(database) as running:
        yield running


@pytest.fixture
def client(both: Twins) -> Letta:
    return both.client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return new_agent(client)


def said(agent_id: str, both: Twins) -> str:
    """What the model was told last, by whichever server asked it."""
    requests = [*both.here.scripted.requests, *both.there.scripted.requests]
    ours = [request for request in requests if agent_id in request.system]
    return str(ours[-1].turns)


def returned(call: Any, text: Any, **fields: Any) -> dict[str, Any]:
    return {
        "type": "tool",
        "tool_call_id": call.tool_call_id,
        "status": "success",
        "tool_return": text,
        **fields,
    }


def asked(client: Letta, agent: AgentState, text: str = ASK) -> Any:
    response = client.agents.messages.create(agent.id, input=text, client_tools=[WEATHER])
    assert response.stop_reason.stop_reason == "requires_approval"
    return response.messages[-1]


def test_tool_of_the_caller_is_asked_for_and_its_return_reaches_the_model(
    both: Twins, client: Letta, agent: AgentState
) -> None:
    request = asked(client, agent)
    assert request.message_type == "approval_request_message"
    assert request.tool_call.name == "weather"
    assert request.tool_call.arguments == '{"city": "Rome"}'
    assert [tool.name for tool in both.here.scripted.requests[-1].tools][-1] == "weather"

    response = client.agents.messages.create(
        agent.id,
        messages=[{"type": "approval", "approvals": [returned(request.tool_call, "22 degrees")]}],
        client_tools=[WEATHER],
    )

    assert [message.content for message in response.messages] == ["It is fine"]
    assert "22 degrees" in said(agent.id, both)
    given = client.agents.messages.list(agent.id).items[2]
    assert given.message_type == "approval_response_message"
    assert given.approvals[0].tool_return == "22 degrees"
    assert given.approvals[0].type == "tool"


def test_tool_returns_are_a_message_of_their_own_kind_too(
    both: Twins, client: Letta, agent: AgentState
) -> None:
    request = asked(client, agent)
    parts = [{"type": "text", "text": "22"}, {"type": "text", "text": "degrees"}]
    sent: Any = {
        "type": "tool_return",
        "tool_returns": [returned(request.tool_call, parts, stdout=["asked the roof"])],
    }

    response = client.agents.messages.create(agent.id, messages=[sent])

    assert response.messages[-1].content == "It is fine"
    assert "22" in said(agent.id, both)
    assert "degrees" in said(agent.id, both)
    given = client.agents.messages.list(agent.id).items[2]
    assert given.approvals[0].stdout == ["asked the roof"]


def test_tool_that_failed_says_so(both: Twins, client: Letta, agent: AgentState) -> None:
    request = asked(client, agent)

    client.agents.messages.create(
        agent.id,
        messages=[
            {
                "type": "approval",
                "approvals": [returned(request.tool_call, "no signal", status="error")],
            }
        ],
    )

    assert "no signal" in said(agent.id, both)
    assert "Failed" in said(agent.id, both)


def test_our_tools_beside_the_callers_run_when_it_has_answered(
    both: Twins, client: Letta, agent: AgentState
) -> None:
    text = f"go [[script: {NOTE}]] [[and: {CALL}]] [[then: say done]]"
    response = client.agents.messages.create(agent.id, input=text, client_tools=[WEATHER])
    assert kinds(response.messages) == ["tool_call_message", "approval_request_message"]
    (call,) = response.messages[-1].tool_calls

    answered = both.other.agents.messages.create(
        agent.id, messages=[{"type": "tool_return", "tool_returns": [returned(call, "fine")]}]
    )

    assert kinds(answered.messages) == ["tool_return_message", "assistant_message"]
    assert answered.messages[0].name == "memory_insert"
    assert client.agents.blocks.retrieve("human", agent_id=agent.id).value.endswith("Likes sun")


def test_person_may_refuse_a_tool_of_the_caller(
    both: Twins, client: Letta, agent: AgentState
) -> None:
    request = asked(client, agent)

    response = client.agents.messages.create(
        agent.id,
        messages=[
            {
                "type": "approval",
                "approvals": [
                    {
                        "type": "approval",
                        "tool_call_id": request.tool_call.tool_call_id,
                        "approve": False,
                        "reason": "stay in",
                    }
                ],
            }
        ],
    )

    assert response.messages[0].status == "error"
    assert "stay in" in said(agent.id, both)


def test_tool_of_the_caller_hides_one_of_ours_of_the_same_name(
    client: Letta, agent: AgentState
) -> None:
    mine: Any = {"name": "memory_insert", "description": "mine", "parameters": None}

    response = client.agents.messages.create(
        agent.id, input=f"go [[script: {NOTE}]]", client_tools=[mine]
    )

    assert response.stop_reason.stop_reason == "requires_approval"
    assert client.agents.blocks.retrieve("human", agent_id=agent.id).value == "Name: Bob"


def test_tools_of_the_caller_belong_to_their_request_only(client: Letta, agent: AgentState) -> None:
    request = asked(client, agent, f"go [[script: {CALL}]] [[then: {CALL}]] [[then: say no]]")

    response = client.agents.messages.create(
        agent.id,
        messages=[{"type": "approval", "approvals": [returned(request.tool_call, "fine")]}],
    )

    assert kinds(response.messages) == [
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    assert "ToolConstraintError" in response.messages[1].tool_return


def test_several_rounds_with_tools_of_the_caller(client: Letta, agent: AgentState) -> None:
    text = f"go [[script: {CALL}]] [[then: {CALL}]] [[and: {CALL}]] [[then: say twice]]"
    request = asked(client, agent, text)

    for _ in range(2):
        response = client.agents.messages.create(
            agent.id,
            messages=[
                {
                    "type": "tool_return",
                    "tool_returns": [returned(call, "fine") for call in request.tool_calls],
                }
            ],
            client_tools=[WEATHER],
        )
        request = response.messages[-1]

    assert response.messages[-1].content == "twice"


def test_nothing_else_is_said_while_the_caller_owes_a_return(
    client: Letta, agent: AgentState
) -> None:
    request = asked(client, agent)

    with pytest.raises(ConflictError):
        client.agents.messages.create(agent.id, input="hello?")
    with pytest.raises(UnprocessableEntityError, match=request.tool_call.tool_call_id):
        client.agents.messages.create(
            agent.id,
            messages=[
                {
                    "type": "tool_return",
                    "tool_returns": [
                        {
                            "type": "tool",
                            "tool_call_id": "x",
                            "status": "success",
                            "tool_return": "",
                        }
                    ],
                }
            ],
        )


@pytest.mark.parametrize("tokens", [False, True])
def test_tools_of_the_caller_in_a_background_stream(
    both: Twins, client: Letta, agent: AgentState, tokens: bool
) -> None:
    events = list(
        client.agents.messages.create(
            agent.id,
            input=ASK,
            client_tools=[WEATHER],
            streaming=True,
            background=True,
            stream_tokens=tokens,
        )
    )
    again = list(both.other.runs.messages.stream(events[0].run_id))
    (request,) = [event for event in again if event.message_type == "approval_request_message"]

    answered = list(
        both.other.agents.messages.create(
            agent.id,
            messages=[{"type": "approval", "approvals": [returned(request.tool_calls[0], "fine")]}],
            client_tools=[WEATHER],
            streaming=True,
            background=True,
        )
    )

    assert [e.stop_reason for e in events if e.message_type == "stop_reason"] == [
        "requires_approval"
    ]
    assert [e.content for e in answered if e.message_type == "assistant_message"] == ["It is fine"]


@pytest.mark.parametrize("is_old_form", [False, True])
def test_tool_of_the_caller_is_not_run_by_approving_it(
    client: Letta, agent: AgentState, is_old_form: bool
) -> None:
    ours: Any = {"name": "memory_insert"}
    asked = client.agents.messages.create(
        agent.id, input=f"go [[script: {NOTE}]] [[then: say ok]]", client_tools=[ours]
    )
    (call,) = asked.messages[-1].tool_calls
    approval: dict[str, Any] = {"type": "approval"}
    if is_old_form:
        approval |= {"approve": True, "approval_request_id": asked.messages[-1].id}
    else:
        approval |= {"approvals": [{"tool_call_id": call.tool_call_id, "approve": True}]}

    with pytest.raises(UnprocessableEntityError, match="a tool that you run"):
        client.agents.messages.create(agent.id, messages=[approval])

    assert client.agents.blocks.retrieve("human", agent_id=agent.id).value == "Name: Bob"
    answer: Any = {"type": "approval", "approvals": [returned(call, "noted")]}
    response = client.agents.messages.create(agent.id, messages=[answer], client_tools=[ours])
    assert response.stop_reason.stop_reason == "end_turn"
