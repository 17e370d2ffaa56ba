"""Stopping runs: while they stream, while they wait, from another process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import ConflictError, NotFoundError
from support.server import new_id
from support.twins import Twins, kinds, new_agent, twins, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client.types import AgentState
    from support.pg import Database

NOTE = 'call memory_insert {"label": "human", "new_string": "tea"}'


@pytest.fixture(scope="module")
def both(database: Database) -> Generator[Twins]:
    with twins(database, engine_options={"cancel_look_s": 0.0}) as running:
        yield running


@pytest.fixture
def agent(both: Twins) -> AgentState:
    return new_agent(both.client)


LONG = f"go [[script: {NOTE}]] [[then: delay 1.5]] [[and: say never stored]]"


def test_stream_that_is_cancelled_elsewhere_ends_so_and_keeps_what_was_committed(
    both: Twins, agent: AgentState
) -> None:
    stream = both.client.agents.messages.create(agent.id, input=LONG, streaming=True)
    seen = [next(stream) for _ in range(3)]

    answer = both.other.agents.messages.cancel(agent.id)

    rest = list(stream)
    run_id = seen[0].run_id
    assert kinds(seen) == ["ping", "tool_call_message", "tool_return_message"]
    assert answer == {run_id: "cancelled"}
    assert kinds(rest) == ["stop_reason"]
    assert rest[0].stop_reason == "cancelled"
    run = both.client.runs.retrieve(run_id)
    assert (run.status, run.stop_reason) == ("cancelled", "cancelled")
    assert kinds(both.client.agents.messages.list(agent.id).items) == [
        "user_message",
        "tool_call_message",
        "tool_return_message",
    ]
    after = both.client.agents.messages.create(agent.id, input="and now? [[script: say fine]]")
    assert after.messages[-1].content == "fine"


def test_stream_of_a_cancelled_run_ends_with_done_on_the_wire(
    both: Twins, agent: AgentState
) -> None:
    url = f"{both.here.base_url}/v1/agents/{agent.id}/messages/stream"
    with httpx.stream("POST", url, json={"input": LONG, "include_pings": False}) as answer:
        lines = answer.iter_lines()
        next(lines)
        both.other.agents.messages.cancel(agent.id)
        rest = [line for line in lines if line]

    assert rest[-2:] == [
        'data: {"message_type":"stop_reason","stop_reason":"cancelled"}',
        "data: [DONE]",
    ]


def test_cancel_in_the_middle_of_a_reply_takes_its_fragments_back(
    both: Twins, agent: AgentState
) -> None:
    text = "word " * 400
    stream = both.client.agents.messages.create(
        agent.id, input=f"go [[script: say {text}]]", streaming=True, stream_tokens=True
    )
    next(stream)
    first = next(stream)

    both.other.agents.messages.cancel(agent.id)

    assert first.message_type == "assistant_message"
    rest = list(stream)
    assert rest[-1].stop_reason == "cancelled"
    assert kinds(both.client.agents.messages.list(agent.id).items) == ["user_message"]


def test_waiting_caller_of_a_cancelled_run_is_told(both: Twins, agent: AgentState) -> None:
    answers: list[Any] = []
    caller = threading.Thread(
        target=lambda: answers.append(both.client.agents.messages.create(agent.id, input=LONG))
    )
    caller.start()
    wait_for(lambda: len(both.client.agents.messages.list(agent.id).items) > 1)

    both.other.agents.messages.cancel(agent.id)

    caller.join(timeout=10)
    assert answers[0].stop_reason.stop_reason == "cancelled"
    assert kinds(answers[0].messages) == ["tool_call_message", "tool_return_message"]


def test_cancel_names_runs_and_leaves_the_others(both: Twins, agent: AgentState) -> None:
    runs = [
        both.client.agents.messages.create_async(
            agent.id, input=f"m{number} [[script: delay 0.5]] [[and: say {number}]]"
        )
        for number in range(3)
    ]

    answer = both.other.agents.messages.cancel(agent.id, run_ids=[runs[1].id])

    assert answer == {runs[1].id: "cancelled"}
    wait_for(lambda: both.client.runs.retrieve(runs[2].id).status == "completed")
    assert [both.client.runs.retrieve(run.id).status for run in runs] == [
        "completed",
        "cancelled",
        "completed",
    ]
    history = both.client.agents.messages.list(agent.id).items
    assert [m.content for m in history if m.message_type == "assistant_message"] == ["0", "2"]


def test_follower_of_a_cancelled_run_is_told(both: Twins, agent: AgentState) -> None:
    run = both.client.agents.messages.create_async(agent.id, input=LONG)
    stream = both.other.runs.messages.stream(run.id, poll_interval=0.1)
    next(stream)

    both.client.agents.messages.cancel(agent.id)

    assert list(stream)[-1].stop_reason == "cancelled"


def test_conversation_is_cancelled_by_itself(both: Twins, agent: AgentState) -> None:
    conversation = both.client.conversations.create(agent_id=agent.id)
    stream = both.client.conversations.messages.create(conversation.id, input=LONG)
    run_id = next(stream).run_id

    with pytest.raises(ConflictError):
        both.other.conversations.cancel("default", agent_id=agent.id)
    assert both.other.conversations.cancel(conversation.id) == {run_id: "cancelled"}
    assert list(stream)[-1].stop_reason == "cancelled"


def test_cancel_of_nothing_is_a_conflict_and_not_sent_again(both: Twins, agent: AgentState) -> None:
    both.client.agents.messages.create(agent.id, input="hi")
    patient = both.client.with_options(max_retries=3)
    began = time.monotonic()

    with pytest.raises(ConflictError, match="no active runs"):
        patient.agents.messages.cancel(agent.id)
    with pytest.raises(ConflictError, match="no active runs"):
        patient.agents.messages.cancel(agent.id, run_ids=[new_id("run")])
    with pytest.raises(NotFoundError):
        patient.agents.messages.cancel(new_id("agent"))

    assert time.monotonic() - began < 3
