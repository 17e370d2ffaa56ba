"""Runs and steps through the official SDK."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from letta_client import APIStatusError, NotFoundError, UnprocessableEntityError
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

SEARCH = 'call conversation_search {"query": "tea"}'


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL)


def test_run_is_read_with_its_messages_steps_and_usage(client: Letta, agent: AgentState) -> None:
    response = client.agents.messages.create(
        agent.id, input=f"go [[script: {SEARCH}]] [[and: usage 100/7]] [[then: say done]]"
    )
    run_id = str(response.messages[0].run_id)

    run = client.runs.retrieve(run_id)
    messages = client.runs.messages.list(run_id).items
    steps = client.runs.steps.list(run_id, order="asc").items
    usage = client.runs.usage.retrieve(run_id)

    assert (run.agent_id, run.status, run.stop_reason) == (agent.id, "completed", "end_turn")
    assert run.background is False
    assert run.conversation_id is None
    assert run.metadata == {"run_type": "send_message"}
    assert run.request_config is not None
    assert run.request_config.use_assistant_message is True
    assert run.created_at is not None
    assert run.completed_at is not None
    assert run.completed_at.tzinfo is not None
    assert run.completed_at >= run.created_at
    assert run.total_duration_ns is not None
    assert run.total_duration_ns > 0
    assert [message.message_type for message in messages] == [
        "user_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    assert [step.status for step in steps] == ["success", "success"]
    assert [step.run_id for step in steps] == [run_id, run_id]
    assert (steps[0].prompt_tokens, steps[0].completion_tokens) == (100, 7)
    assert steps[0].api_model_handle == MODEL
    assert (steps[0].provider_name, steps[0].model) == tuple(MODEL.split("/"))
    assert steps[1].stop_reason == "end_turn"
    assert usage.total_tokens == response.usage.total_tokens
    assert usage.prompt_tokens_details is not None


def test_step_is_read_with_its_messages_and_metrics(client: Letta, agent: AgentState) -> None:
    response = client.agents.messages.create(agent.id, input="go [[script: say done]]")
    step_id = str(response.messages[0].step_id)

    step = client.steps.retrieve(step_id)
    metrics = client.steps.metrics.retrieve(step_id)
    messages = client.steps.messages.list(step_id).items

    assert step.id == step_id
    assert step.context_window_limit == agent.llm_config.context_window
    assert step.messages == []
    assert metrics.step_ns is not None
    assert metrics.llm_request_ns is not None
    assert metrics.step_ns >= metrics.llm_request_ns > 0
    assert [message.message_type for message in messages] == ["assistant_message"]


def test_feedback_is_kept_and_filters_steps(client: Letta, agent: AgentState) -> None:
    for _ in range(2):
        client.agents.messages.create(agent.id, input="go")
    newest, oldest = client.steps.list(agent_id=agent.id).items

    rated = client.steps.feedback.create(oldest.id, feedback="negative", tags=["rude"])

    assert (rated.feedback, rated.tags) == ("negative", ["rude"])
    assert [s.id for s in client.steps.list(agent_id=agent.id, feedback="negative")] == [oldest.id]
    assert [s.id for s in client.steps.list(agent_id=agent.id, has_feedback=False)] == [newest.id]
    assert [s.id for s in client.steps.list(agent_id=agent.id, tags=["rude"])] == [oldest.id]
    assert client.steps.feedback.create(oldest.id, feedback=None).feedback is None


def test_lists_page_through_everything_once(client: Letta, agent: AgentState) -> None:
    for _ in range(5):
        client.agents.messages.create(agent.id, input="go")
    runs = [run.id for run in client.runs.list(agent_id=agent.id).items]
    steps = [step.id for step in client.steps.list(agent_id=agent.id).items]

    assert len(runs) == len(steps) == 5
    assert [run.id for run in client.runs.list(agent_id=agent.id, limit=2)] == runs
    assert [run.id for run in client.runs.list(agent_ids=[agent.id], limit=2, order="asc")] == (
        runs[::-1]
    )
    assert [run.id for run in client.runs.list(agent_id=agent.id, ascending=True)] == runs[::-1]
    before = client.runs.list(agent_id=agent.id, limit=2, before=runs[4]).items
    assert [run.id for run in before] == runs[2:4]
    assert [step.id for step in client.steps.list(agent_id=agent.id, limit=2)] == steps
    assert client.runs.list(agent_id=agent.id, active=True).items == []
    assert len(client.runs.list(agent_id=agent.id, statuses=["completed"]).items) == 5
    assert client.runs.list(agent_id=agent.id, stop_reason="error").items == []
    assert len(client.runs.list(agent_id=agent.id, background=False).items) == 5
    assert client.steps.list(trace_ids=["x"]).items == []


def test_failed_run_says_why(client: Letta, agent: AgentState) -> None:
    with pytest.raises(APIStatusError):
        client.agents.messages.create(agent.id, input="go [[script: error rejected]]")

    (run,) = client.runs.list(agent_id=agent.id, statuses=["failed"]).items
    steps = client.runs.steps.list(run.id).items

    assert run.metadata is not None
    assert run.metadata["error"]
    assert [step.status for step in steps] == ["failed"]
    assert steps[0].error_type == "llm_bad_request"
    assert steps[0].error_data is not None
    assert steps[0].error_data["message"]


def test_what_does_not_exist_is_not_found(client: Letta) -> None:
    run_id, step_id = new_id("run"), new_id("step")

    for read in (
        lambda: client.runs.retrieve(run_id),
        lambda: client.runs.messages.list(run_id),
        lambda: client.runs.steps.list(run_id),
        lambda: client.runs.usage.retrieve(run_id),
        lambda: client.steps.retrieve(step_id),
        lambda: client.steps.messages.list(step_id),
        lambda: client.steps.metrics.retrieve(step_id),
        lambda: client.steps.feedback.create(step_id, feedback="positive"),
    ):
        with pytest.raises(NotFoundError):
            read()
    with pytest.raises(UnprocessableEntityError):
        client.runs.retrieve("run-1")
    with pytest.raises(UnprocessableEntityError):
        client.runs.list(after=new_id("run"))
    with pytest.raises(UnprocessableEntityError):
        client.steps.list(start_date="yesterday")
