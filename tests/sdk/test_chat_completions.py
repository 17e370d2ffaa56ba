"""The real OpenAI client talks to an agent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from openai import APIStatusError, NotFoundError, OpenAI, UnprocessableEntityError
from support.openai_agents import a_named_agent, openai_client, said_in
from support.server import MODEL, new_id, serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client.types import AgentState
    from support.pg import Database
    from support.server import Server

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = 'call weather {"city": "Rome"}'


@pytest.fixture
def openai(server: Server) -> Generator[OpenAI]:
    with openai_client(server) as client:
        yield client


@pytest.fixture
def agent(server: Server) -> AgentState:
    return a_named_agent(server)


def test_who_speaks_on_instead_of_answering_a_call_has_given_it_up(
    openai: OpenAI, agent: AgentState
) -> None:
    for user in ("ann", "bob"):
        asked = say(openai, agent.id, f"go on [[script: {CALL}]]", tools=[TOOL], user=user)
        assert asked.choices[0].finish_reason == "tool_calls"
    call_id = asked.choices[0].message.tool_calls[0].id

    answer = say(openai, agent.id, "never mind [[script: say All right]]", user="ann")

    assert answer.choices[0].message.content == "All right"
    # the call of the other user still waits for its answer
    told: Any = [{"role": "tool", "tool_call_id": call_id, "content": "It rains"}]
    answer = openai.chat.completions.create(model=agent.id, messages=told, tools=[TOOL], user="bob")
    assert answer.choices[0].finish_reason == "stop"


def say(openai: OpenAI, model: str, text: str, **options: Any) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    return openai.chat.completions.create(model=model, messages=messages, **options)


def test_completion_is_what_the_agent_says(openai: OpenAI, agent: AgentState) -> None:
    for model in (agent.id, agent.name):
        answer = say(openai, model, "hello [[script: say Hi]]")

        (choice,) = answer.choices
        assert (choice.message.role, choice.message.content) == ("assistant", "Hi")
        assert choice.finish_reason == "stop"
        assert choice.message.tool_calls is None
        assert answer.id.startswith("chatcmpl-")
        assert answer.model == model
        assert answer.usage.total_tokens > 0


def test_stream_is_the_same_in_pieces(openai: OpenAI, agent: AgentState) -> None:
    stream = say(
        openai,
        agent.id,
        "hello [[script: say Hello there, how are you]]",
        stream=True,
        stream_options={"include_usage": True},
    )

    chunks = list(stream)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "Hello there, how are you"
    assert len([text for text in texts if text]) > 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_own_tools_run_unseen_and_paragraphs_are_joined(openai: OpenAI, agent: AgentState) -> None:
    edit = 'call memory_insert {"label": "human", "new_string": "Likes tea"}'
    script = f"go [[script: say One]] [[and: {edit}]] [[then: say Two]]"

    whole = say(openai, agent.id, script)
    stream = say(openai, agent.id, script, stream=True)

    pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert whole.choices[0].message.content == "".join(pieces) == "One\n\nTwo"


def test_history_sent_again_is_not_said_again(
    server: Server, openai: OpenAI, agent: AgentState
) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "first [[script: say One]]"},
    ]
    answer = openai.chat.completions.create(model=agent.id, messages=messages)
    messages += [
        answer.choices[0].message.to_dict(),
        {"role": "user", "content": "second [[script: say Two]]"},
    ]
    openai.chat.completions.create(model=agent.id, messages=messages)

    assert [text[:5] for text in said_in(server, agent.id)] == ["first", "One", "secon", "Two"]
    with pytest.raises(UnprocessableEntityError, match="nothing new"):
        openai.chat.completions.create(model=agent.id, messages=messages[:3])


def test_each_user_has_a_conversation_and_all_share_the_memory(
    server: Server, openai: OpenAI, agent: AgentState
) -> None:
    edit = 'call memory_insert {"label": "human", "new_string": "Likes tea"}'
    say(openai, agent.id, f"a [[script: {edit}]] [[then: say noted]]", user="ann")
    say(openai, agent.id, "b [[script: say Hi]]", user="ben")
    say(openai, agent.id, "c [[script: say Ho]]", user="ann")

    with server.client() as client:
        titles = {c.summary: c.id for c in client.conversations.list(agent_id=agent.id)}
    assert set(titles) == {"ann", "ben"}
    assert said_in(server, titles["ben"])[1:] == ["Hi"]
    assert said_in(server, titles["ann"])[-1] == "Ho"
    assert said_in(server, agent.id) == []
    assert "Likes tea" in str(server.scripted.requests[-1])
    named = say(
        openai,
        agent.id,
        "d [[script: say Hm]]",
        extra_body={"conversation_id": titles["ben"]},
    )
    assert named.choices[0].message.content == said_in(server, titles["ben"])[-1] == "Hm"


@pytest.mark.parametrize("stream", [False, True])
def test_tools_of_the_caller_pass_through(
    server: Server, openai: OpenAI, agent: AgentState, stream: bool
) -> None:
    messages: list[Any] = [
        {"role": "user", "content": f"rain? [[script: {CALL}]] [[then: say Take an umbrella]]"}
    ]
    answer: Any = openai.chat.completions.create(
        model=agent.id, messages=messages, tools=[TOOL], stream=stream
    )
    if stream:
        chunks = list(answer)
        (call,) = [c for k in chunks for c in k.choices[0].delta.tool_calls or ()]
        reason = chunks[-1].choices[0].finish_reason
    else:
        (call,) = answer.choices[0].message.tool_calls
        reason = answer.choices[0].finish_reason
    shown = {"id": call.id, "type": "function", "function": call.function.to_dict()}
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [shown]},
        {"role": "tool", "tool_call_id": call.id, "content": "It rains"},
    ]
    after, again = (
        openai.chat.completions.create(model=agent.id, messages=messages, tools=[TOOL])
        for _ in range(2)
    )

    assert again.id == after.id, "an answer that is sent again is the same one"
    assert reason == "tool_calls"
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "Rome"},
    )
    assert after.choices[0].message.content == "Take an umbrella"
    assert "It rains" in str(server.scripted.requests[-1].turns)


def test_images_reach_the_model(server: Server, openai: OpenAI, agent: AgentState) -> None:
    pixel = "data:image/png;base64,iVBORw0KGgo="
    parts: Any = [
        {"type": "text", "text": "look [[script: say I see]]"},
        {"type": "image_url", "image_url": {"url": pixel}},
    ]
    openai.chat.completions.create(model=agent.id, messages=[{"role": "user", "content": parts}])

    assert "image/png" in str(server.scripted.requests[-1].turns)


def test_what_cannot_be_answered_is_refused(openai: OpenAI, agent: AgentState) -> None:
    with pytest.raises(NotFoundError, match="agent"):
        say(openai, "gpt-5", "hello")
    with pytest.raises(NotFoundError):
        say(openai, new_id("agent"), "hello")
    with pytest.raises(UnprocessableEntityError):
        say(openai, agent.id, "hello", n=2)
    with pytest.raises(UnprocessableEntityError):
        say(openai, agent.id, " ")
    pixel: Any = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,@@@"}}]
    with pytest.raises(UnprocessableEntityError, match="base64"):
        say(openai, agent.id, pixel)
    with pytest.raises(APIStatusError) as failed:
        say(openai, agent.id, "hello [[script: error rate_limit]]")
    assert failed.value.status_code == 429


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "weather"}}}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
    ],
)
def test_what_cannot_be_honoured_is_refused_and_stores_nothing(
    server: Server, openai: OpenAI, agent: AgentState, options: Any, words: str
) -> None:
    with pytest.raises(UnprocessableEntityError, match=words):
        say(openai, agent.id, "hello", tools=[TOOL], **options)

    assert said_in(server, agent.id) == []


def test_tool_choice_none_keeps_the_callers_tools_away(
    server: Server, openai: OpenAI, agent: AgentState
) -> None:
    offered = []
    for choice in ("auto", "none"):
        say(
            openai,
            agent.id,
            "hello [[script: say Hi]]",
            tools=[TOOL],
            tool_choice=choice,
            response_format={"type": "text"},
        )
        offered.append({tool.name for tool in server.scripted.requests[-1].tools})

    assert offered[0] - offered[1] == {"weather"}


def test_memory_survives_a_restart(fresh_database: Database) -> None:
    edit = 'call memory_insert {"label": "human", "new_string": "Likes tea"}'
    with serving(fresh_database) as server, server.client() as client:
        block = {"label": "human", "value": "Name: Bob"}
        agent_id = client.agents.create(model=MODEL, memory_blocks=[block]).id
        with openai_client(server) as openai:
            say(openai, agent_id, f"I like tea [[script: {edit}]] [[then: say noted]]", user="bob")

    with serving(fresh_database) as server, openai_client(server) as openai:
        say(openai, agent_id, "what do I like? [[script: say Tea]]", user="bob")

        request = str(server.scripted.requests[-1])
        assert "I like tea" in request
        assert "Likes tea" in request
