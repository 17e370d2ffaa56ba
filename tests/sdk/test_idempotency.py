"""The same request twice: one run, one answer, also at once and while the first still runs."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import InternalServerError, UnprocessableEntityError
from support.server import serving
from support.twins import Twins, kinds, new_agent, twins

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from letta_client.types import AgentState
    from support.pg import Database

SLOW = "once [[script: delay 0.7]] [[and: say only once]]"


@pytest.fixture(scope="module")
def both(database: Database) -> Generator[Twins]:
    with twins(database) as running:
        # A route is built by its first request, with global warning filters in its hands.
        for client in (running.client, running.other):
            client.agents.messages.create(new_agent(client).id, input="hi")
        yield running


@pytest.fixture
def agent(both: Twins) -> AgentState:
    return new_agent(both.client)


def message(text: str, otid: str | None = None) -> list[Any]:
    return [{"role": "user", "content": text, "otid": otid or uuid.uuid4().hex}]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    ready = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(place: int) -> None:
        ready.wait()
        answers[place] = calls[place]()

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_same_otid_at_once_from_everywhere_is_one_run_and_one_answer(
    both: Twins, agent: AgentState
) -> None:
    sent = message(SLOW)

    answers = at_once(
        *[
            lambda client=client: client.agents.messages.create(agent.id, messages=sent)
            for client in (both.client, both.other, both.client, both.other)
        ]
    )

    said = [[m.to_dict() for m in answer.messages] for answer in answers]
    assert said[0][0]["content"] == "only once"
    assert all(messages == said[0] for messages in said)
    assert kinds(both.client.agents.messages.list(agent.id).items) == [
        "user_message",
        "assistant_message",
    ]
    assert len(both.client.runs.list(agent_id=agent.id).items) == 1


def test_same_key_while_the_first_still_runs_waits_for_its_answer(
    both: Twins, agent: AgentState
) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    stream = both.client.agents.messages.create(
        agent.id, input=SLOW, streaming=True, extra_headers=key
    )
    run_id = next(stream).run_id

    whole = both.other.agents.messages.create(agent.id, input=SLOW, extra_headers=key)
    again = list(
        both.other.agents.messages.create(
            agent.id, input=SLOW, streaming=True, stream_tokens=True, extra_headers=key
        )
    )
    background = list(
        both.other.agents.messages.create(
            agent.id, input=SLOW, streaming=True, background=True, extra_headers=key
        )
    )

    assert whole.messages[0].run_id == run_id
    for events in (list(stream), again, background):
        (told,) = [event for event in events if event.message_type == "assistant_message"]
        assert (told.id, told.run_id, told.content) == (
            whole.messages[0].id,
            run_id,
            "only once",
        )


def test_same_key_with_another_body_is_refused(both: Twins, agent: AgentState) -> None:
    otid = uuid.uuid4().hex
    both.client.agents.messages.create(agent.id, messages=message("one", otid))

    for changed in (
        {"messages": message("two", otid)},
        {"messages": message("one", otid), "max_steps": 3},
        {"messages": message("one", otid), "client_tools": [{"name": "mine"}]},
    ):
        with pytest.raises(UnprocessableEntityError, match="sent before"):
            both.other.agents.messages.create(agent.id, **changed)
    with pytest.raises(UnprocessableEntityError, match="sent before"):
        both.other.agents.messages.create_async(agent.id, messages=message("two", otid))

    assert len(both.client.agents.messages.list(agent.id).items) == 2


def test_key_of_a_run_that_failed_gives_its_failure_again(both: Twins, agent: AgentState) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    text = "x [[script: error overloaded]]"

    for client in (both.client, both.other):
        with pytest.raises(InternalServerError) as failure:
            client.agents.messages.create(agent.id, input=text, extra_headers=key)
        assert failure.value.body["error"]["type"].startswith("llm_")  # type: ignore[index]

    assert len(both.client.runs.list(agent_id=agent.id).items) == 1


def test_client_that_gave_up_waiting_asks_again_and_gets_the_answer(
    both: Twins, agent: AgentState
) -> None:
    impatient = both.client.with_options(timeout=0.4, max_retries=5)

    answer = impatient.agents.messages.create(agent.id, messages=message(SLOW))

    assert answer.messages[0].content == "only once"
    assert len(both.client.runs.list(agent_id=agent.id).items) == 1


def behind_the_adapter(seconds_left: float) -> dict[str, str]:
    """What the Lambda Web Adapter tells of an invocation with that much time."""
    deadline_ms = int((time.time() + seconds_left) * 1000)
    return {"x-amzn-lambda-context": f'{{"request_id": "r", "deadline": {deadline_ms}}}'}


STEPS = (
    'go [[script: call memory_insert {"label": "human", "new_string": "a"}]]'
    ' [[then: delay 1]] [[and: call memory_insert {"label": "human", "new_string": "b"}]]'
    " [[then: delay 1]] [[and: say done]]"
)


def test_request_that_runs_out_of_time_says_which_run_goes_on(database: Database) -> None:
    with (
        serving(database, trusts_lambda_context=True) as server,
        server.client() as client,
    ):
        agent = new_agent(client)
        patient = client.with_options(max_retries=3)
        soon = behind_the_adapter(10.0 + 1.5)  # the margin, and less than the run takes

        with pytest.raises(InternalServerError) as unfinished:
            patient.agents.messages.create(agent.id, input=STEPS, extra_headers=soon)

        assert unfinished.value.status_code == 504
        run_id = unfinished.value.body["run_id"]  # type: ignore[index]
        assert len(client.runs.list(agent_id=agent.id).items) == 1
        events = list(client.runs.messages.stream(run_id))
        assert events[-1].step_count == 3
        assert events[-3].content == "done"


def test_request_with_a_key_that_runs_out_of_time_is_answered_when_the_sdk_asks_again(
    database: Database,
) -> None:
    with (
        serving(database, trusts_lambda_context=True) as server,
        server.client() as client,
    ):
        agent = new_agent(client)
        patient = client.with_options(max_retries=3)

        answer = patient.agents.messages.create(
            agent.id, messages=message(STEPS), extra_headers=behind_the_adapter(10.0 + 1.2)
        )

        assert answer.messages[-1].content == "done"
        assert answer.usage.step_count == 3
        assert len(client.runs.list(agent_id=agent.id).items) == 1


def test_stream_that_runs_out_of_time_says_where_to_go_on(database: Database) -> None:
    with (
        serving(database, trusts_lambda_context=True) as server,
        server.client() as client,
    ):
        agent = new_agent(client)
        url = f"{server.base_url}/v1/agents/{agent.id}/messages/stream"
        soon = behind_the_adapter(10.0 + 1.5)

        with httpx.stream("POST", url, json={"input": STEPS}, headers=soon) as answer:
            lines = [line for line in answer.iter_lines() if line]

        assert lines[-3] == "event: error"
        assert '"error_type":"stream_incomplete"' in lines[-2]
        assert lines[-1] == "data: [DONE]"
        fields = httpx.Response(200, content=lines[-2].removeprefix("data: ")).json()
        rest = list(client.runs.messages.stream(fields["run_id"], starting_after=fields["seq_id"]))
        assert rest[-3].content == "done"
        seen = [line for line in lines if '"tool_call_message"' in line]
        assert len(seen) + kinds(rest).count("tool_call_message") == 2


def test_context_of_lambda_is_not_believed_from_anybody_else(
    both: Twins, agent: AgentState
) -> None:
    answer = both.client.agents.messages.create(
        agent.id, input="hi [[script: say Hi]]", extra_headers=behind_the_adapter(-60)
    )

    assert answer.messages[0].content == "Hi"
