"""What the SDK does around its calls: retries, raw and streamed responses, async, timeouts."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from letta_client import APIConnectionError, APITimeoutError, AsyncLetta, InternalServerError, Letta
from letta_client.types import AgentState
from letta_client.types.agents import LettaResponse
from support.flaky_proxy import CUT, Failure, FlakyProxy, flaky
from support.server import MODEL

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.server import Server

SAID = "hello [[script: say Hi there]]"


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return client.agents.create(name=uuid.uuid4().hex, model=MODEL)


@pytest.fixture
def proxy(server: Server) -> Generator[FlakyProxy]:
    with flaky(server.base_url) as running:
        yield running


def keyed() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def history(client: Letta, agent: AgentState) -> list[str]:
    return [message.message_type for message in client.agents.messages.list(agent.id).items]


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("statuses", [(429,), (503,), (409,), (CUT,), (503, 429, CUT)], ids=str)
def test_message_that_fails_on_its_way_is_sent_again_and_said_once(
    client: Letta,
    agent: AgentState,
    proxy: FlakyProxy,
    *,
    statuses: tuple[int, ...],
    when: Any,
    streaming: bool,
) -> None:
    proxy.failures = [Failure(status, when) for status in statuses]
    with Letta(base_url=proxy.base_url, max_retries=3) as retrying:
        answer = retrying.agents.messages.create(
            agent.id, input=SAID, streaming=streaming, extra_headers=keyed()
        )
        messages = list(answer) if streaming else answer.messages

    assert len(proxy.seen) == len(statuses) + 1
    assert [m.content for m in messages if m.message_type == "assistant_message"] == ["Hi there"]
    assert history(client, agent) == ["user_message", "assistant_message"]
    assert len(client.runs.list(agent_id=agent.id).items) == 1


def test_otid_is_a_key_too(client: Letta, agent: AgentState, proxy: FlakyProxy) -> None:
    proxy.failures = [Failure(CUT, "after"), Failure(503, "after")]
    message: Any = {"role": "user", "content": SAID, "otid": str(uuid.uuid4())}

    with Letta(base_url=proxy.base_url, max_retries=3) as retrying:
        answer = retrying.agents.messages.create(agent.id, messages=[message])

    assert answer.messages[0].content == "Hi there"
    assert history(client, agent) == ["user_message", "assistant_message"]


def test_read_is_tried_again_as_often_as_the_client_says(
    agent: AgentState, proxy: FlakyProxy
) -> None:
    with Letta(base_url=proxy.base_url, max_retries=2) as retrying:
        proxy.failures = [Failure(503), Failure(CUT)]
        assert retrying.agents.retrieve(agent.id).id == agent.id
        proxy.failures = [Failure(503)] * 3
        with pytest.raises(InternalServerError):
            retrying.agents.retrieve(agent.id)
        proxy.failures = [Failure(CUT)]
        with pytest.raises(APIConnectionError):
            retrying.with_options(max_retries=0).agents.retrieve(agent.id)

    assert len(proxy.seen) == 3 + 3 + 1


def test_refusal_that_a_retry_cannot_mend_is_sent_once(proxy: FlakyProxy) -> None:
    with (
        Letta(base_url=proxy.base_url, max_retries=5) as retrying,
        pytest.raises(InternalServerError) as refused,
    ):
        retrying.folders.create(name="x")

    assert refused.value.status_code == 501
    assert len(proxy.seen) == 1


def test_raw_response_has_headers_and_parses_to_the_same(client: Letta, agent: AgentState) -> None:
    raw = client.agents.with_raw_response.retrieve(agent.id)
    page = client.agents.with_raw_response.list(name=agent.name).parse()

    assert raw.status_code == 200
    assert raw.headers["content-type"] == "application/json"
    assert raw.http_request.method == "GET"
    assert raw.parse() == client.agents.retrieve(agent.id)
    assert [each.id for each in page.items] == [agent.id]
    parsed = client.agents.messages.with_raw_response.create(agent.id, input=SAID).parse()
    assert isinstance(parsed, LettaResponse)
    assert parsed.messages[0].content == "Hi there"


def test_streaming_response_is_read_as_it_comes(client: Letta, agent: AgentState) -> None:
    messages = client.agents.messages.with_streaming_response
    with messages.create(agent.id, input=SAID, streaming=True) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    with client.agents.with_streaming_response.export_file(agent.id) as response:
        exported = b"".join(response.iter_bytes())
    with client.agents.with_streaming_response.retrieve(agent.id) as response:
        parsed = response.parse()

    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    assert b'"agents"' in exported
    assert isinstance(parsed, AgentState)


def test_stream_is_a_context_that_may_be_left(client: Letta, agent: AgentState) -> None:
    with client.agents.messages.create(agent.id, input=SAID, streaming=True) as stream:
        first = next(iter(stream))
    response = stream.response

    assert first.message_type == "ping"
    assert response.is_closed
    again = client.agents.messages.create(agent.id, input="and [[script: say you]]")
    assert again.messages[-1].content == "you"
    assert history(client, agent) == ["user_message", "assistant_message"] * 2


def test_call_that_takes_too_long_is_given_up_and_its_answer_is_there_later(
    client: Letta, agent: AgentState
) -> None:
    headers = keyed()
    slow = "hello [[script: delay 1]] [[and: say late]]"
    with pytest.raises(APITimeoutError):
        client.agents.messages.create(agent.id, input=slow, timeout=0.3, extra_headers=headers)

    answer = client.agents.messages.create(agent.id, input=slow, extra_headers=headers)

    assert answer.messages[0].content == "late"
    assert len(client.runs.list(agent_id=agent.id).items) == 1


def test_async_client_does_all_of_it(server: Server, proxy: FlakyProxy) -> None:
    async def play() -> dict[str, Any]:
        async with AsyncLetta(base_url=proxy.base_url, max_retries=2) as client:
            agent = await client.agents.create(name=uuid.uuid4().hex, model=MODEL)
            proxy.failures = [Failure(503, "after"), Failure(429)]
            said = await client.agents.messages.create(agent.id, input=SAID, extra_headers=keyed())
            streamed = await client.agents.messages.create(agent.id, input=SAID, streaming=True)
            events = [event.message_type async for event in streamed]
            raw = await client.agents.with_raw_response.retrieve(agent.id)
            messages = client.agents.messages.with_streaming_response
            async with messages.create(agent.id, input=SAID, streaming=True) as response:
                lines = [line async for line in response.iter_lines() if line]
            page = await client.agents.messages.list(agent.id, order="asc", limit=2)
            kinds = [message.message_type async for message in page]
            many = await asyncio.gather(*(client.agents.retrieve(agent.id) for _ in range(5)))
            return {
                "said": said.messages[0].content,
                "events": events,
                "agent": (await raw.parse()).id == agent.id,
                "last": lines[-1],
                "kinds": kinds,
                "many": {each.id for each in many} == {agent.id},
            }

    assert asyncio.run(play()) == {
        "said": "Hi there",
        "events": ["ping", "assistant_message", "stop_reason", "usage_statistics"],
        "agent": True,
        "last": "data: [DONE]",
        "kinds": ["user_message", "assistant_message"] * 3,
        "many": True,
    }
