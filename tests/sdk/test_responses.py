"""The real OpenAI client talks to an agent through its responses."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from openai import (
    APIStatusError,
    AsyncOpenAI,
    NotFoundError,
    OpenAI,
    UnprocessableEntityError,
)
from openai.types.responses import Response
from support.openai_agents import a_named_agent, openai_client, said_in
from support.server import MODEL, new_id, serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client.types import AgentState
    from support.pg import Database
    from support.server import Server

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
CALL = 'call weather {"city": "Rome"}'
EDIT = 'call memory_insert {"label": "human", "new_string": "Likes tea"}'


@pytest.fixture
def openai(server: Server) -> Generator[OpenAI]:
    with openai_client(server) as client:
        yield client


@pytest.fixture
def agent(server: Server) -> AgentState:
    return a_named_agent(server)


def test_response_is_what_the_agent_says(openai: OpenAI, agent: AgentState) -> None:
    for model in (agent.id, agent.name):
        answer = openai.responses.create(
            model=model, input="hello [[script: say Hi]]", metadata={"app": "tested"}
        )

        assert answer.output_text == "Hi"
        assert (answer.status, answer.model, answer.error) == ("completed", model, None)
        assert answer.usage is not None
        assert answer.usage.total_tokens > 0
        assert answer.metadata == {"app": "tested"}
        Response.model_validate(answer.to_dict(), strict=True)


def test_stream_is_the_same_in_numbered_events(openai: OpenAI, agent: AgentState) -> None:
    script = f"go [[script: say One]] [[and: {EDIT}]] [[then: say Two and three]]"

    events = list(openai.responses.create(model=agent.id, input=script, stream=True))

    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 2
    last: Any = events[-1]
    assert "".join(deltas) == last.response.output_text == "OneTwo and three"
    assert [item.type for item in last.response.output] == ["message", "message"]
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done")


def test_stream_helper_of_the_client_follows(openai: OpenAI, agent: AgentState) -> None:
    with openai.responses.stream(model=agent.id, input="go [[script: say Hello you]]") as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()

    assert final.output_text == "Hello you"


def test_responses_follow_each_other_in_their_conversation(
    server: Server, openai: OpenAI, agent: AgentState
) -> None:
    with server.client() as client:
        conversation = client.conversations.create(agent_id=agent.id)
    first = openai.responses.create(
        model=agent.id, input="first [[script: say One]]", conversation=conversation.id
    )
    second = openai.responses.create(
        model=agent.id, input="second [[script: say Two]]", previous_response_id=first.id
    )

    assert first.conversation is not None
    assert first.conversation.id == conversation.id
    assert second.previous_response_id == first.id
    said = [text.split()[0] for text in said_in(server, conversation.id)]
    assert said == ["first", "One", "second", "Two"]
    assert said_in(server, agent.id) == []


def test_items_that_were_said_already_are_not_said_again(
    server: Server, openai: OpenAI, agent: AgentState
) -> None:
    items: list[Any] = [{"role": "user", "content": "first [[script: say One]]"}]
    answer = openai.responses.create(model=agent.id, input=items)
    items += [item.to_dict() for item in answer.output]
    items.append(
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "second [[script: say Two]]"}],
        }
    )
    openai.responses.create(model=agent.id, input=items)

    said = [text.split()[0] for text in said_in(server, agent.id)]
    assert said == ["first", "One", "second", "Two"]


def test_instructions_stand_behind_the_agents_own_for_one_response(
    server: Server, openai: OpenAI, agent: AgentState
) -> None:
    openai.responses.create(
        model=agent.id, input="a [[script: say Arr]]", instructions="You are a pirate."
    )
    with_them = server.scripted.requests[-1].system
    openai.responses.create(model=agent.id, input="b [[script: say Hi]]")
    without = server.scripted.requests[-1].system

    assert "You are a pirate." in with_them
    assert agent.system is not None
    assert agent.system[:60] in with_them
    assert "pirate" not in without


@pytest.mark.parametrize("stream", [True, False])
def test_functions_of_the_caller_pass_through(
    openai: OpenAI, agent: AgentState, stream: bool
) -> None:
    asked: Any = openai.responses.create(
        model=agent.id,
        input=f"go out? [[script: {CALL}]] [[then: say It is fine]]",
        tools=[TOOL],
        stream=stream,
    )
    if stream:
        events = list(asked)
        pieces = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
        assert json.loads("".join(pieces)) == {"city": "Rome"}
        asked = events[-1].response
    (call,) = asked.output
    assert (call.type, call.name, json.loads(call.arguments)) == (
        "function_call",
        "weather",
        {"city": "Rome"},
    )

    answer: Any = {
        "model": agent.id,
        "previous_response_id": asked.id,
        "tools": [TOOL],
        "input": [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}],
    }
    first, again = openai.responses.create(**answer), openai.responses.create(**answer)

    assert first.output_text == "It is fine"
    assert again.id == first.id, "an answer that is sent again is the same one"


def test_response_in_the_background_is_read_until_it_is_over(
    openai: OpenAI, agent: AgentState
) -> None:
    begun = openai.responses.create(
        model=agent.id,
        input="go [[script: delay 0.3]] [[and: say done]]",
        background=True,
        metadata={"app": "tested"},
    )
    answer = begun
    until = time.monotonic() + 20
    while answer.status in ("queued", "in_progress") and time.monotonic() < until:
        time.sleep(0.05)
        answer = openai.responses.retrieve(begun.id)

    assert begun.status in ("queued", "in_progress")
    assert begun.background is True
    assert (answer.status, answer.output_text) == ("completed", "done")
    assert answer.metadata == begun.metadata == {"app": "tested"}
    followed = list(openai.responses.retrieve(begun.id, stream=True))
    assert followed[-1].type == "response.completed"


def test_response_is_cancelled(openai: OpenAI, agent: AgentState) -> None:
    begun = openai.responses.create(
        model=agent.id, input="go [[script: delay 20]] [[and: say never]]", background=True
    )

    cancelled = openai.responses.cancel(begun.id)

    assert cancelled.status == "cancelled"
    until = time.monotonic() + 20
    while openai.responses.retrieve(begun.id).status != "cancelled" and time.monotonic() < until:
        time.sleep(0.1)
    assert openai.responses.retrieve(begun.id).status == "cancelled"
    assert openai.responses.cancel(begun.id).status == "cancelled"


def test_response_that_fails_says_so_whole_and_streamed(openai: OpenAI, agent: AgentState) -> None:
    text = "hello [[script: error rate_limit]]"
    with pytest.raises(APIStatusError) as failed:
        openai.responses.create(model=agent.id, input=text)
    events = list(openai.responses.create(model=agent.id, input=text, stream=True))

    assert failed.value.status_code == 429
    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error is not None
    assert last.response.error.code == "rate_limit_exceeded"


def test_same_key_is_the_same_response(openai: OpenAI, agent: AgentState) -> None:
    options: Any = {
        "model": agent.id,
        "input": "hi [[script: say Hi]]",
        "extra_headers": {"Idempotency-Key": uuid.uuid4().hex},
    }

    assert openai.responses.create(**options).id == openai.responses.create(**options).id
    with pytest.raises(UnprocessableEntityError):
        openai.responses.create(**{**options, "input": "something else"})


def test_async_client_streams_too(server: Server, agent: AgentState) -> None:
    async def talk() -> str:
        async with AsyncOpenAI(base_url=f"{server.base_url}/v1", api_key="none") as client:
            stream = await client.responses.create(
                model=agent.id, input="hi [[script: say Hi there]]", stream=True
            )
            return "".join(
                [e.delta async for e in stream if e.type == "response.output_text.delta"]
            )

    assert asyncio.run(talk()) == "Hi there"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "nobody-of-this-name"}, NotFoundError, "nobody-of-this-name"),
        ({"input": []}, UnprocessableEntityError, "input"),
        ({"store": False}, UnprocessableEntityError, "store"),
        ({"tools": [{"type": "web_search"}]}, UnprocessableEntityError, "tools"),
        ({"tool_choice": "required"}, UnprocessableEntityError, "tool_choice"),
        ({"conversation": "conv-1"}, UnprocessableEntityError, "conversation"),
        ({"previous_response_id": "resp_1"}, UnprocessableEntityError, "response_id"),
        (
            {"text": {"format": {"type": "json_object"}}},
            UnprocessableEntityError,
            "text",
        ),
        (
            {"input": [{"type": "function_call_output", "call_id": "call-1", "output": "x"}]},
            UnprocessableEntityError,
            "call",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_and_stores_nothing(
    server: Server, openai: OpenAI, agent: AgentState, options: Any, error: Any, words: str
) -> None:
    asked = {"model": agent.id, "input": "hello", **options}

    with pytest.raises(error, match=words) as caught:
        openai.responses.create(**asked)

    assert 400 <= caught.value.status_code < 500
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"]
    assert said_in(server, agent.id) == []


def test_response_that_is_not_there_is_not_found(openai: OpenAI) -> None:
    missing = f"resp_{uuid.UUID(new_id('run').removeprefix('run-')).hex}"

    with pytest.raises(NotFoundError):
        openai.responses.retrieve(missing)
    with pytest.raises(NotFoundError):
        openai.responses.cancel(missing)


def test_memory_survives_a_restart(database: Database) -> None:
    with serving(database) as first:
        with first.client() as client:
            agent = client.agents.create(
                model=MODEL, memory_blocks=[{"label": "human", "value": "Name: Bob"}]
            )
        with openai_client(first) as openai:
            before = openai.responses.create(
                model=agent.id, input=f"tea [[script: {EDIT}]] [[then: say noted]]"
            )
    with serving(database) as second, openai_client(second) as openai:
        openai.responses.create(
            model=agent.id,
            input="and? [[script: say tea]]",
            previous_response_id=before.id,
        )
        asked = second.scripted.requests[-1]

    assert "Likes tea" in str(asked)
    assert "noted" in str(asked.turns)
