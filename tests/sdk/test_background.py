"""Background runs: streamed, followed from another process, polled; nothing but rows between."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from letta_client import (
    APIStatusError,
    AsyncLetta,
    ConflictError,
    NotFoundError,
    UnprocessableEntityError,
)
from support.server import new_id
from support.twins import Twins, kinds, new_agent, twins, wait_for

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.pg import Database

SEARCH = 'call conversation_search {"query": "tea"}'
NOTE = 'call memory_insert {"label": "human", "new_string": "tea"}'


@pytest.fixture(scope="module")
def both(database: Database) -> Generator[Twins]:
    with twins(database) as running:
        yield running


@pytest.fixture
def agent(both: Twins) -> AgentState:
    return new_agent(both.client)


def texts(events: Iterable[Any]) -> dict[tuple[str, str], str]:
    """What a client has in the end, by message and part."""
    joined: dict[tuple[str, str], str] = {}
    for event in events:
        match event.message_type:
            case "assistant_message":
                text = event.content
            case "reasoning_message":
                text = event.reasoning
            case "tool_call_message":
                text = (event.tool_call.name or "") + (event.tool_call.arguments or "")
            case "tool_return_message":
                text = event.tool_return
            case _:
                continue
        key = (event.id, event.otid)
        joined[key] = joined.get(key, "") + text
    return joined


def in_background(client: Letta, agent_id: str, text: str, **options: Any) -> Any:
    return client.agents.messages.create(
        agent_id, input=text, streaming=True, background=True, **options
    )


def slow(text: str, *, seconds: float) -> str:
    return f"{text} [[script: delay {seconds}]] [[and: say {text} is done]]"


@pytest.mark.parametrize("tokens", [False, True])
def test_background_stream_numbers_its_messages_and_is_resumed_from_any_of_them_elsewhere(
    both: Twins, agent: AgentState, tokens: bool
) -> None:
    script = f"[[script: think let me see]] [[and: {NOTE}]] [[then: say It is all noted now]]"

    events = list(in_background(both.client, agent.id, f"go {script}", stream_tokens=tokens))

    run_id = events[0].run_id
    numbered = [event for event in events if event.message_type.endswith("_message")]
    places = [event.seq_id for event in numbered]
    assert kinds(events)[-2:] == ["stop_reason", "usage_statistics"]
    assert places == sorted(set(places))
    assert all(event.run_id == run_id for event in numbered)
    assert len(places) > (8 if tokens else 3)
    for stop, place in enumerate([0, *places]):
        rest = list(both.other.runs.messages.stream(run_id, starting_after=place))
        assert kinds(rest)[-2:] == ["stop_reason", "usage_statistics"]
        assert all(event.seq_id > place for event in rest[1:-2])
        assert texts([*numbered[:stop], *rest]) == texts(numbered)
    assert both.client.runs.retrieve(run_id).background is True


def test_background_run_is_followed_while_it_works_from_another_process(
    both: Twins, agent: AgentState
) -> None:
    script = f"[[script: {NOTE}]] [[then: delay 1]] [[and: say ready]]"
    stream = in_background(both.client, agent.id, f"go {script}")
    first = next(stream)

    events = list(both.other.runs.messages.stream(first.run_id, poll_interval=0.1))

    assert kinds(events) == [
        "ping",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert texts(events) == texts(stream)
    assert events[-1].step_count == 2


def test_background_run_whose_client_leaves_goes_on_and_is_found_by_its_conversation(
    both: Twins, agent: AgentState
) -> None:
    otid = uuid.uuid4().hex
    message: Any = {"role": "user", "content": slow("tea", seconds=1), "otid": otid}
    stream = both.client.agents.messages.create(
        agent.id, messages=[message], streaming=True, background=True
    )
    run_id = next(stream).run_id
    stream.close()

    running = list(both.other.conversations.messages.stream("default", agent_id=agent.id))
    by_otid = list(
        both.other.conversations.messages.stream("default", agent_id=agent.id, otid=otid)
    )
    by_run = list(
        both.other.conversations.messages.stream("default", agent_id=agent.id, run_id=run_id)
    )

    assert running[0].run_id == run_id
    assert texts(running) == texts(by_otid) == texts(by_run)
    assert list(texts(running).values()) == ["tea is done"]


def test_background_messages_to_a_busy_agent_queue_in_order(both: Twins, agent: AgentState) -> None:
    streams = [
        in_background(client, agent.id, slow(name, seconds=0.3))
        for name, client in (("one", both.client), ("two", both.other), ("three", both.client))
    ]

    answers = [[*texts(stream).values()] for stream in streams]

    assert answers == [["one is done"], ["two is done"], ["three is done"]]
    history = both.client.agents.messages.list(agent.id).items
    assert kinds(history) == ["user_message", "assistant_message"] * 3
    assert [message.content for message in history[1::2]] == [text for (text,) in answers]


def test_async_message_is_a_run_at_once_and_answered_in_the_background(
    both: Twins, agent: AgentState
) -> None:
    run = both.client.agents.messages.create_async(agent.id, input=slow("tea", seconds=0.5))

    assert (run.status, run.background, run.stop_reason) == ("created", True, None)
    assert run.agent_id == agent.id
    done = wait_for(
        lambda: found if (found := both.other.runs.retrieve(run.id)).status == "completed" else None
    )
    assert done.stop_reason == "end_turn"
    messages = both.other.runs.messages.list(run.id).items
    assert kinds(messages) == ["user_message", "assistant_message"]
    assert both.other.runs.usage.retrieve(run.id).total_tokens > 0


def test_async_message_with_the_same_otid_is_the_same_run(both: Twins, agent: AgentState) -> None:
    message: Any = {"role": "user", "content": "hi [[script: say Hi]]", "otid": uuid.uuid4().hex}

    first = both.client.agents.messages.create_async(agent.id, messages=[message])
    again = both.other.agents.messages.create_async(agent.id, messages=[message])
    wait_for(lambda: both.client.runs.retrieve(first.id).status == "completed")
    late = both.client.agents.messages.create_async(agent.id, messages=[message])

    assert first.id == again.id == late.id
    assert late.status == "completed"
    assert len(both.client.agents.messages.list(agent.id).items) == 2


def test_async_client_streams_and_resumes_too(both: Twins, agent: AgentState) -> None:
    async def play() -> tuple[list[Any], list[Any]]:
        async with AsyncLetta(base_url=both.here.base_url, max_retries=0) as client:
            stream = await client.agents.messages.create(
                agent.id,
                input="go [[script: say one two three]]",
                streaming=True,
                background=True,
                stream_tokens=True,
            )
            events = [event async for event in stream]
        async with AsyncLetta(base_url=both.there.base_url, max_retries=0) as client:
            stream = await client.runs.messages.stream(
                events[0].run_id, starting_after=events[1].seq_id
            )
            return events, [event async for event in stream]

    events, rest = asyncio.run(play())

    assert len(events) > 4
    assert texts([events[1], *rest]) == texts(events)


def test_follower_who_leaves_stops_looking(both: Twins, agent: AgentState) -> None:
    run = both.client.agents.messages.create_async(agent.id, input=slow("tea", seconds=2))
    stream = both.other.runs.messages.stream(run.id, poll_interval=0.1)
    next(stream)
    before = readers()

    stream.close()

    wait_for(lambda: readers() < before, seconds=1.5)
    wait_for(lambda: both.client.runs.retrieve(run.id).status == "completed")


def readers() -> int:
    return sum(thread.name == "run-reader" for thread in threading.enumerate())


def test_run_whose_messages_were_deleted_is_gone(both: Twins, agent: AgentState) -> None:
    events = list(in_background(both.client, agent.id, "hi"))
    both.client.agents.messages.reset(agent.id)

    with pytest.raises(APIStatusError, match="deleted") as gone:
        list(both.client.runs.messages.stream(events[0].run_id))

    assert gone.value.status_code == 410


def test_following_what_there_is_not_is_refused(both: Twins, agent: AgentState) -> None:
    streams = both.client.conversations.messages
    run = in_background(both.client, new_agent(both.client).id, "hi")
    run_id = next(run).run_id

    with pytest.raises(NotFoundError):
        list(both.client.runs.messages.stream(new_id("run")))
    with pytest.raises(UnprocessableEntityError, match="starting_after"):
        list(both.client.runs.messages.stream(run_id, starting_after=10**30))
    with pytest.raises(ConflictError, match="no active run"):
        list(streams.stream("default", agent_id=agent.id))
    with pytest.raises(NotFoundError, match="otid"):
        list(streams.stream("default", agent_id=agent.id, otid="never"))
    with pytest.raises(NotFoundError, match=run_id):
        list(streams.stream("default", agent_id=agent.id, run_id=run_id))
    with pytest.raises(NotFoundError):
        list(streams.stream("default", agent_id=new_id("agent")))
    with pytest.raises(NotFoundError):
        list(streams.stream(new_id("conv")))
    with pytest.raises(APIStatusError, match="agent_id"):
        list(streams.stream("default"))
    list(run)


def test_resumed_stream_is_shown_as_its_own_request_asked_for(
    both: Twins, agent: AgentState
) -> None:
    stream = in_background(
        both.client,
        agent.id,
        f"go [[script: {NOTE}]] [[then: say done]]",
        include_return_message_types=["assistant_message"],
    )
    events = list(stream)

    again = list(both.other.runs.messages.stream(events[0].run_id, include_pings=False))

    assert kinds(again) == ["assistant_message", "stop_reason", "usage_statistics"]
    assert again[0].seq_id == events[1].seq_id


def test_run_left_by_a_dead_worker_is_rung_for_by_its_follower(
    both: Twins, database: Database, agent: AgentState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remanence.engine.follow.RING_AFTER_S", 0.3)
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        run_id = new_id("run")
        conn.execute(
            """
            insert into remanence.runs (
                id, org_id, agent_id, conversation_id, ord, status, background, options, input)
            select %s, org_id, agent_id, id, 1000, 'created', true, '{}', jsonb_build_array(
                jsonb_build_object('id', %s::text, 'role', 'user', 'tokens', 3, 'parts',
                    jsonb_build_array(jsonb_build_object('type', 'text', 'text', 'hello'))))
            from remanence.conversations where agent_id = %s and is_default
            """,
            [run_id, new_id("message"), agent.id],
        )

    events = list(both.client.runs.messages.stream(run_id, poll_interval=0.1))

    assert kinds(events)[-3:] == ["assistant_message", "stop_reason", "usage_statistics"]


def test_stream_without_background_can_be_resumed_all_the_same(
    both: Twins, agent: AgentState
) -> None:
    url = f"{both.here.base_url}/v1/agents/{agent.id}/messages/stream"
    with httpx.stream("POST", url, json={"input": slow("tea", seconds=0.5)}) as answer:
        ping = next(answer.iter_lines())
    run_id = ping.split('"run_id":"')[1].split('"')[0]

    events = list(both.other.runs.messages.stream(run_id, poll_interval=0.1))

    assert [*texts(events).values()] == ["tea is done"]
