"""Tool calls that a person answers, in every form of the protocol, by the official client."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from letta_client import ConflictError, UnprocessableEntityError
from support.server import new_id
from support.twins import Twins, kinds, new_agent, twins, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.pg import Database

NOTE = 'call memory_insert {"label": "human", "new_string": "Likes tea"}'
SEARCH = 'call conversation_search {"query": "tea"}'
ASK = f"note it [[script: {NOTE}]] [[then: say Noted]]"
RULES: list[Any] = [{"type": "requires_approval", "tool_name": "memory_insert"}]


@pytest.fixture(scope="module")
def both(database: Database) -> Generator[Twins]:
    with twins(database) as running:
        yield running


@pytest.fixture
def client(both: Twins) -> Letta:
    return both.client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return new_agent(client, tool_rules=RULES)


def answer(*approvals: dict[str, Any], **fields: Any) -> list[Any]:
    return [{"type": "approval", "approvals": list(approvals), **fields}]


def approve(call: Any, *, approve: bool = True, **fields: Any) -> dict[str, Any]:
    return {"type": "approval", "tool_call_id": call.tool_call_id, "approve": approve, **fields}


def asked(client: Letta, agent: AgentState, text: str = ASK, **options: Any) -> Any:
    """The request for approval that an agent makes."""
    response = client.agents.messages.create(agent.id, input=text, **options)
    assert response.stop_reason.stop_reason == "requires_approval"
    assert response.messages[-1].message_type == "approval_request_message"
    return response.messages[-1]


def human(client: Letta, agent: AgentState) -> str:
    return client.agents.blocks.retrieve("human", agent_id=agent.id).value


def test_approved_call_runs_and_the_agent_goes_on(client: Letta, agent: AgentState) -> None:
    request = asked(client, agent)

    assert request.tool_call.name == "memory_insert"
    assert request.otid == request.id
    assert human(client, agent) == "Name: Bob"
    response = client.agents.messages.create(
        agent.id, messages=answer(approve(request.tool_calls[0]))
    )

    assert kinds(response.messages) == ["tool_return_message", "assistant_message"]
    assert response.messages[0].status == "success"
    assert response.messages[0].tool_call_id == request.tool_call.tool_call_id
    assert response.messages[1].content == "Noted"
    assert "Likes tea" in human(client, agent)
    history = client.agents.messages.list(agent.id).items
    assert kinds(history) == [
        "user_message",
        "approval_request_message",
        "approval_response_message",
        "tool_return_message",
        "assistant_message",
    ]
    assert history[2].approve is True
    assert history[2].approvals[0].tool_call_id == request.tool_call.tool_call_id


def test_denied_call_does_not_run_and_the_model_is_told_why(
    client: Letta, agent: AgentState
) -> None:
    request = asked(client, agent)

    response = client.agents.messages.create(
        agent.id, messages=answer(approve(request.tool_call, approve=False, reason="too private"))
    )

    returned = response.messages[0]
    assert (returned.message_type, returned.status) == ("tool_return_message", "error")
    assert "too private" in returned.tool_return
    assert human(client, agent) == "Name: Bob"


def test_mixed_batch_asks_only_for_what_needs_it_and_runs_the_rest_with_it(
    client: Letta, agent: AgentState
) -> None:
    other = NOTE.replace("tea", "jazz")
    text = f"go [[script: {SEARCH}]] [[and: {NOTE}]] [[and: {other}]] [[then: say ok]]"
    response = client.agents.messages.create(agent.id, input=text)
    request = response.messages[-1]
    assert kinds(response.messages) == ["tool_call_message", "approval_request_message"]
    first, second = request.tool_calls

    answered = client.agents.messages.create(
        agent.id,
        messages=answer(approve(second, approve=False, reason="no jazz"), approve(first)),
    )

    returns = {message.tool_call_id: message for message in answered.messages[:-1]}
    assert kinds(answered.messages) == ["tool_return_message"] * 3 + ["assistant_message"]
    assert returns[first.tool_call_id].status == "success"
    assert "no jazz" in returns[second.tool_call_id].tool_return
    assert {message.name for message in returns.values()} == {
        "conversation_search",
        "memory_insert",
    }
    assert human(client, agent) == "Name: Bob\nLikes tea"


def test_answer_may_name_the_calls_that_need_none_too(client: Letta, agent: AgentState) -> None:
    text = f"go [[script: {SEARCH}]] [[and: {NOTE}]] [[then: say ok]]"
    response = client.agents.messages.create(agent.id, input=text)
    calls = [response.messages[0].tool_call, response.messages[1].tool_call]

    answered = client.agents.messages.create(
        agent.id, messages=answer(*[approve(call) for call in calls])
    )

    assert answered.messages[-1].content == "ok"


@pytest.mark.parametrize("by_id", [True, False])
def test_old_form_answers_every_call_at_once(client: Letta, agent: AgentState, by_id: bool) -> None:
    other = NOTE.replace("tea", "jazz")
    request = asked(client, agent, f"go [[script: {NOTE}]] [[and: {other}]] [[then: say ok]]")
    old: Any = {"type": "approval", "approve": True}
    if by_id:
        old["approval_request_id"] = request.id

    response = client.agents.messages.create(agent.id, messages=[old])

    assert response.messages[-1].content == "ok"
    assert human(client, agent) == "Name: Bob\nLikes tea\nLikes jazz"


def test_old_form_denies_with_its_reason(client: Letta, agent: AgentState) -> None:
    request = asked(client, agent)
    denial: Any = {
        "type": "approval",
        "approve": False,
        "approval_request_id": request.id,
        "reason": "not now",
    }

    response = client.agents.messages.create(agent.id, messages=[denial])

    assert "not now" in response.messages[0].tool_return


def test_wrong_or_missing_answers_are_refused_by_name_and_store_nothing(
    client: Letta, agent: AgentState
) -> None:
    other = NOTE.replace("tea", "jazz")
    request = asked(client, agent, f"go [[script: {NOTE}]] [[and: {other}]] [[then: say ok]]")
    first, second = request.tool_calls
    before = client.agents.messages.list(agent.id).items

    wrong: list[Any] = [
        answer({**approve(first), "tool_call_id": "call_nobody_made"}),
        answer(approve(first)),
        answer(approve(first), approve(second), {**approve(first), "tool_call_id": "more"}),
        [{"type": "approval", "approve": True, "approval_request_id": new_id("message")}],
    ]
    for messages in wrong:
        with pytest.raises(UnprocessableEntityError) as refused:
            client.agents.messages.create(agent.id, messages=messages)
        known = {first.tool_call_id, second.tool_call_id}
        assert all(name in str(refused.value) for name in known) or request.id in str(refused.value)

    assert len(client.agents.messages.list(agent.id).items) == len(before)
    assert len(client.runs.list(agent_id=agent.id).items) == 1
    answered = client.agents.messages.create(
        agent.id, messages=answer(approve(first), approve(second))
    )
    assert answered.messages[-1].content == "ok"


def test_message_while_an_approval_waits_is_refused_and_leaves_no_run(
    client: Letta, agent: AgentState
) -> None:
    request = asked(client, agent)
    patient = client.with_options(max_retries=2)

    for send in (
        lambda: patient.agents.messages.create(agent.id, input="hello?"),
        lambda: patient.agents.messages.create_async(agent.id, input="hello?"),
        lambda: list(
            patient.agents.messages.create(
                agent.id, input="hello?", streaming=True, background=True
            )
        ),
    ):
        with pytest.raises(ConflictError) as refused:
            send()
        detail = refused.value.body["detail"]  # type: ignore[index]
        assert detail["code"] == "PENDING_APPROVAL"
        assert detail["pending_request_id"] == request.id
        assert refused.value.response.headers["x-should-retry"] == "false"

    assert [run.status for run in client.runs.list(agent_id=agent.id)] == ["completed"]
    assert len(client.agents.messages.list(agent.id).items) == 2


def test_answer_sent_again_is_the_same_run_and_another_answer_is_refused(
    both: Twins, agent: AgentState
) -> None:
    request = asked(both.client, agent)
    yes = answer(approve(request.tool_call))

    first = both.client.agents.messages.create(agent.id, messages=yes)
    again = both.other.agents.messages.create(agent.id, messages=yes)

    assert [message.to_dict() for message in again.messages] == [
        message.to_dict() for message in first.messages
    ]
    assert human(both.client, agent) == "Name: Bob\nLikes tea"
    with pytest.raises(UnprocessableEntityError, match="sent before"):
        both.client.agents.messages.create(
            agent.id, messages=answer(approve(request.tool_call, approve=False))
        )
    for otid in (uuid.uuid4().hex, uuid.uuid4().hex):
        with_id = answer(approve(request.tool_call), otid=otid)
        once_more = both.other.agents.messages.create(agent.id, messages=with_id)
        assert once_more.messages[0].run_id == first.messages[0].run_id


def test_answer_with_an_otid_may_be_repeated_without(client: Letta, agent: AgentState) -> None:
    request = asked(client, agent)
    yes = answer(approve(request.tool_call), otid=uuid.uuid4().hex)

    first = client.agents.messages.create(agent.id, messages=yes)
    again = client.agents.messages.create(agent.id, messages=answer(approve(request.tool_call)))

    assert again.messages[0].run_id == first.messages[0].run_id


def test_answer_that_names_another_request_than_its_calls_is_refused(
    client: Letta, agent: AgentState
) -> None:
    old = asked(client, agent)
    client.agents.messages.create(agent.id, messages=answer(approve(old.tool_call)))
    new = asked(client, agent)

    for wrong in (old.id, new_id("message"), client.agents.messages.list(agent.id).items[0].id):
        with pytest.raises(UnprocessableEntityError):
            client.agents.messages.create(
                agent.id, messages=answer(approve(new.tool_call), approval_request_id=wrong)
            )
    right = answer(approve(new.tool_call), approval_request_id=new.id)
    response = client.agents.messages.create(agent.id, messages=right)

    assert kinds(response.messages) == ["tool_return_message", "assistant_message"]


def test_answer_to_nothing_is_refused(client: Letta, agent: AgentState) -> None:
    with pytest.raises(UnprocessableEntityError, match="waiting now: none"):
        client.agents.messages.create(
            agent.id, messages=answer({"tool_call_id": "x", "approve": True})
        )
    with pytest.raises(UnprocessableEntityError, match="waiting now: none"):
        client.agents.messages.create(agent.id, messages=[{"type": "approval", "approve": True}])


@pytest.mark.parametrize("tokens", [False, True])
def test_stream_asks_and_a_stream_answers(client: Letta, agent: AgentState, tokens: bool) -> None:
    events = list(
        client.agents.messages.create(agent.id, input=ASK, streaming=True, stream_tokens=tokens)
    )
    requests = [event for event in events if event.message_type == "approval_request_message"]
    calls = [
        event.tool_calls[0] if isinstance(event.tool_calls, list) else event.tool_calls
        for event in requests
    ]
    arguments = "".join(call.arguments or "" for call in calls)

    assert set(kinds(events)) == {
        "ping",
        "approval_request_message",
        "stop_reason",
        "usage_statistics",
    }
    assert events[-2].stop_reason == "requires_approval"
    assert arguments == '{"label": "human", "new_string": "Likes tea"}'
    assert calls[0].name == "memory_insert"
    assert {event.otid for event in requests} == {requests[0].id}
    answered = list(
        client.agents.messages.create(
            agent.id,
            messages=answer(approve(calls[0])),
            streaming=True,
            stream_tokens=tokens,
        )
    )
    assert kinds(answered)[1] == "tool_return_message"
    assert "".join(e.content for e in answered if e.message_type == "assistant_message") == "Noted"


def test_agent_shows_what_waits_until_it_is_answered(client: Letta, agent: AgentState) -> None:
    assert client.agents.retrieve(agent.id).pending_approval is None
    request = asked(client, agent)

    shown = client.agents.retrieve(agent.id, include=["agent.pending_approval"]).pending_approval

    assert shown is not None
    assert shown.to_dict() == request.to_dict() | {"seq_id": None}
    client.agents.messages.create(agent.id, messages=answer(approve(request.tool_call)))
    assert client.agents.retrieve(agent.id).pending_approval is None


def test_approval_is_switched_on_and_off_for_one_tool_of_an_agent(client: Letta) -> None:
    agent = new_agent(client)

    client.agents.tools.update_approval(
        "memory_insert", agent_id=agent.id, body_requires_approval=True
    )
    request = asked(client, agent)
    client.agents.messages.create(agent.id, messages=answer(approve(request.tool_call)))
    client.agents.tools.update_approval(
        "memory_insert", agent_id=agent.id, body_requires_approval=False
    )

    response = client.agents.messages.create(agent.id, input=ASK)
    assert response.stop_reason.stop_reason == "end_turn"


def test_cancel_gives_up_what_waits_and_the_agent_goes_on(client: Letta, agent: AgentState) -> None:
    request = asked(client, agent)

    cancelled = client.agents.messages.cancel(agent.id)

    assert cancelled == {request.run_id: "cancelled"}
    assert request.run_id is not None
    run = client.runs.retrieve(request.run_id)
    assert (run.status, run.stop_reason) == ("cancelled", "cancelled")
    assert client.agents.retrieve(agent.id).pending_approval is None
    response = client.agents.messages.create(agent.id, input="never mind [[script: say ok]]")
    assert response.messages[-1].content == "ok"
    with pytest.raises(UnprocessableEntityError, match="waiting now: none"):
        client.agents.messages.create(agent.id, messages=answer(approve(request.tool_call)))


def test_reset_gives_up_what_waits(client: Letta, agent: AgentState) -> None:
    asked(client, agent)

    client.agents.messages.reset(agent.id)

    assert client.agents.messages.create(agent.id, input="hi [[script: say ok]]").messages
    request = asked(client, agent)
    answered = client.agents.messages.create(agent.id, messages=answer(approve(request.tool_call)))
    assert answered.messages[-1].content == "Noted"


def test_approval_that_nobody_gave_expires_after_a_month(
    database: Database, client: Letta, agent: AgentState
) -> None:
    request = asked(client, agent)
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.conversations set pending_since = now() - interval '31 days'"
            " where agent_id = %s",
            [agent.id],
        )

    assert client.agents.retrieve(agent.id).pending_approval is None
    with pytest.raises(UnprocessableEntityError, match="waiting now: none"):
        client.agents.messages.create(agent.id, messages=answer(approve(request.tool_call)))
    response = client.agents.messages.create(agent.id, input="still there? [[script: say yes]]")
    assert response.messages[-1].content == "yes"


def test_approval_is_given_days_later_on_a_new_server(database: Database) -> None:
    with twins(database) as early:
        agent = new_agent(early.client, tool_rules=RULES)
        request = asked(early.client, agent)
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.conversations set pending_since = now() - interval '9 days'"
            " where agent_id = %s",
            [agent.id],
        )

    with twins(database) as late:
        response = late.other.agents.messages.create(
            agent.id, messages=answer(approve(request.tool_call))
        )
        assert response.messages[-1].content == "Noted"


def test_approval_can_be_given_in_the_background(both: Twins, agent: AgentState) -> None:
    run = both.client.agents.messages.create_async(agent.id, input=ASK)
    wait_for(lambda: both.client.runs.retrieve(run.id).status == "completed")
    assert both.client.runs.retrieve(run.id).stop_reason == "requires_approval"
    request = both.client.runs.messages.list(run.id).items[-1]

    answered = both.other.agents.messages.create_async(
        agent.id, messages=answer(approve(request.tool_call))
    )

    wait_for(lambda: both.client.runs.retrieve(answered.id).status == "completed")
    assert kinds(both.client.runs.messages.list(answered.id).items) == [
        "approval_response_message",
        "tool_return_message",
        "assistant_message",
    ]


def test_call_that_cannot_run_is_nobodys_to_approve(client: Letta, agent: AgentState) -> None:
    broken = 'call memory_insert {"label": "human"}'

    response = client.agents.messages.create(
        agent.id, input=f"go [[script: {broken}]] [[then: say sorry]]"
    )

    assert response.stop_reason.stop_reason == "end_turn"
    assert [message.message_type for message in response.messages] == [
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]


def test_approval_in_a_conversation_of_its_own(client: Letta, agent: AgentState) -> None:
    conversation = client.conversations.create(agent_id=agent.id)
    events = list(client.conversations.messages.create(conversation.id, input=ASK))
    request = next(event for event in events if event.message_type == "approval_request_message")
    elsewhere = client.agents.messages.create(agent.id, input="hi [[script: say Hi]]")

    answered = list(
        client.conversations.messages.create(
            conversation.id,
            messages=[{"type": "approval", "approve": True, "approval_request_id": request.id}],
        )
    )

    assert elsewhere.messages[-1].content == "Hi"
    assert [e.content for e in answered if e.message_type == "assistant_message"] == ["Noted"]


def test_refusals_have_the_protocols_shape_on_the_wire(both: Twins, agent: AgentState) -> None:
    request = asked(both.client, agent)
    url = f"{both.here.base_url}/v1/agents/{agent.id}/messages"

    refused = httpx.post(url, json={"input": "hello?"})

    assert refused.status_code == 409
    assert refused.json()["detail"]["pending_request_id"] == request.id
    assert set(refused.json()["detail"]) == {"code", "message", "pending_request_id"}
