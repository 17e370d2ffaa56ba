"""Saying something and reading history through the official SDK."""

from __future__ import annotations

import json
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from letta_client import APIStatusError, ConflictError, NotFoundError, UnprocessableEntityError
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState
    from support.server import Server

# The SDK deprecates its own `stream` in favour of `create(streaming=True)`; programs use both.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


@pytest.fixture
def agent(client: Letta) -> AgentState:
    return an_sdk_agent(client)


def an_sdk_agent(client: Letta, **fields: Any) -> AgentState:
    block = {"label": "human", "value": "Name: Bob"}
    return client.agents.create(
        **({"name": uuid.uuid4().hex, "model": MODEL, "memory_blocks": [block]} | fields)
    )


def said(*texts: str) -> list[Any]:
    return [{"role": "user", "content": text} for text in texts]


def kinds(messages: Any) -> list[str]:
    return [message.message_type for message in messages]


SEARCH = 'call conversation_search {"query": "tea"}'


def test_create_answers_with_messages_stop_reason_and_usage(
    client: Letta, agent: AgentState
) -> None:
    response = client.agents.messages.create(agent.id, messages=said("hello [[script: say Hi]]"))

    (message,) = response.messages
    assert (message.message_type, message.content) == ("assistant_message", "Hi")
    assert message.id.startswith("message-")
    assert message.run_id.startswith("run-")
    assert message.step_id.startswith("step-")
    assert response.stop_reason.stop_reason == "end_turn"
    assert response.usage.step_count == 1
    assert response.usage.total_tokens > 0


def test_create_with_tool_calls_and_reasoning_shows_each_part(
    client: Letta, agent: AgentState
) -> None:
    script = f"[[script: think hm]] [[and: {SEARCH}]] [[then: say done]]"

    response = client.agents.messages.create(agent.id, input=f"go {script}")

    assert kinds(response.messages) == [
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    thought, call, returned, _ = response.messages
    assert thought.id == call.id
    assert thought.otid != call.otid
    assert call.tool_call.name == "conversation_search"
    assert call.tool_calls[0].arguments == '{"query": "tea"}'
    assert returned.name == "conversation_search"
    assert returned.tool_call_id == call.tool_call.tool_call_id
    assert returned.tool_returns[0].status == "success"
    assert response.usage.step_count == 2


def test_create_filters_by_message_type(client: Letta, agent: AgentState) -> None:
    response = client.agents.messages.create(
        agent.id,
        input=f"go [[script: {SEARCH}]] [[then: say done]]",
        include_return_message_types=["assistant_message"],
    )

    assert kinds(response.messages) == ["assistant_message"]


def test_create_takes_parts_and_images(server: Server, client: Letta, agent: AgentState) -> None:
    content = [
        {"type": "text", "text": "look [[script: say nice]]"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
    ]

    client.agents.messages.create(agent.id, messages=[{"role": "user", "content": content}])

    (asked, _) = client.agents.messages.list(agent.id).items
    assert [part.type for part in asked.content] == ["text", "image", "image"]
    assert asked.content[1].source.data == "AAAA"
    assert asked.content[2].source.url == "https://example.org/cat.png"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"type": "base64", "media_type": "image/png", "data": "@@@"}, "base64"),
        ({"type": "base64", "media_type": "image/png", "data": "AAA"}, "base64"),
        ({"type": "base64", "media_type": "image/png", "data": "é==="}, "base64"),
        ({"type": "base64", "media_type": "text/html", "data": "AAAA"}, "media_type"),
        ({"type": "url", "url": "file:///etc/passwd"}, "https address"),
        ({"type": "url", "url": "data:image/png,AAAA"}, "https address"),
        ({"type": "url", "url": "data:text/html;base64,AAAA"}, "media_type"),
        ({"type": "url", "url": "data:image/png;base64,"}, "base64"),
    ],
)
def test_image_that_no_provider_reads_is_refused_and_not_stored(
    client: Letta, agent: AgentState, source: Any, words: str
) -> None:
    content: Any = [{"type": "image", "source": source}]

    with pytest.raises(UnprocessableEntityError, match=words):
        client.agents.messages.create(agent.id, messages=[{"role": "user", "content": content}])

    assert client.agents.messages.list(agent.id).items == []


def test_image_of_a_data_url_or_with_line_breaks_is_its_bytes(
    client: Letta, agent: AgentState
) -> None:
    content: Any = [
        {"type": "image", "source": {"type": "url", "url": "data:image/gif;base64,AAAA"}},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/gif", "data": "AA\nAA\n"},
        },
    ]

    client.agents.messages.create(agent.id, messages=[{"role": "user", "content": content}])

    asked = client.agents.messages.list(agent.id).items[0]
    assert [(p.source.media_type, p.source.data) for p in asked.content] == [
        ("image/gif", "AAAA"),
        ("image/gif", "AAAA"),
    ]


@pytest.mark.parametrize(
    "request_body",
    [
        {"messages": []},
        {},
        {"messages": said("x"), "input": "x"},
        {"messages": said("")},
        {"messages": said("  \n")},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "reasoning", "reasoning": "x"}]}]},
        {"messages": [{"role": "system", "content": [{"source": {"url": "https://x.org"}}]}]},
        {"input": "x", "max_steps": 0},
        {"input": "x", "stream_tokens": True},
        {"input": "x", "background": True},
        {"input": "x", "include_pings": False},
        {"input": "nul \0"},
        {"input": "x", "include_return_message_types": ["no_message"]},
        {"messages": [{"type": "approval", "approvals": []}]},
        {"messages": [{"type": "tool_return", "tool_returns": []}]},
        {"messages": [{"type": "approval", "approve": True}]},
        {"input": "x", "client_tools": [{"name": "no name"}]},
    ],
    ids=range(19),
)
def test_create_of_nonsense_is_refused_and_stores_nothing(
    server: Server, client: Letta, agent: AgentState, request_body: dict[str, Any]
) -> None:
    answer = httpx.post(f"{server.base_url}/v1/agents/{agent.id}/messages", json=request_body)

    assert answer.status_code == 422, answer.text
    assert isinstance(answer.json()["detail"], str)
    assert client.agents.messages.list(agent.id).items == []


def test_create_for_an_unknown_agent_is_not_found(client: Letta) -> None:
    with pytest.raises(NotFoundError):
        client.agents.messages.create(new_id("agent"), messages=said("hi"))
    with pytest.raises(NotFoundError):
        list(client.agents.messages.stream(new_id("agent"), messages=said("hi")))
    with pytest.raises(NotFoundError):
        client.agents.messages.list(new_id("agent"))


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rate_limit", 429), ("key", 401), ("rejected", 400), ("timeout", 504), ("quota", 402)],
)
def test_create_whose_model_fails_answers_with_its_status_and_is_not_sent_again(
    client: Letta, agent: AgentState, kind: str, status: int
) -> None:
    patient = client.with_options(max_retries=2)

    with pytest.raises(APIStatusError) as failure:
        patient.agents.messages.create(agent.id, messages=said(f"x [[script: error {kind}]]"))

    assert failure.value.status_code == status
    assert failure.value.body["error"]["type"].startswith("llm_")
    history = patient.agents.messages.list(agent.id).items
    assert kinds(history) == ["user_message"]
    (run,) = patient.runs.list(agent_id=agent.id).items
    assert run.status == "failed"
    assert run.metadata["error"]


def test_create_after_a_failure_works(client: Letta, agent: AgentState) -> None:
    with pytest.raises(APIStatusError):
        client.agents.messages.create(agent.id, input="x [[script: error overloaded]]")

    response = client.agents.messages.create(agent.id, input="again [[script: say yes]]")

    assert response.messages[0].content == "yes"
    assert kinds(client.agents.messages.list(agent.id).items) == [
        "user_message",
        "user_message",
        "assistant_message",
    ]


def test_the_same_idempotency_key_is_the_same_run(client: Letta, agent: AgentState) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}

    first = client.agents.messages.create(agent.id, input="once", extra_headers=key)
    again = client.agents.messages.create(agent.id, input="once", extra_headers=key)

    assert [message.to_dict() for message in again.messages] == [
        message.to_dict() for message in first.messages
    ]
    assert again.usage.total_tokens == first.usage.total_tokens
    with pytest.raises(UnprocessableEntityError):
        client.agents.messages.create(agent.id, input="another", extra_headers=key)
    assert kinds(client.agents.messages.list(agent.id).items) == [
        "user_message",
        "assistant_message",
    ]


def test_the_same_otid_is_the_same_run_streamed_or_not(client: Letta, agent: AgentState) -> None:
    message: Any = {"role": "user", "content": "once", "otid": uuid.uuid4().hex}

    first = client.agents.messages.create(agent.id, messages=[message])
    again = list(client.agents.messages.stream(agent.id, messages=[message], stream_tokens=True))

    assert kinds(again) == ["ping", "assistant_message", "stop_reason", "usage_statistics"]
    assert again[1].id == first.messages[0].id
    assert again[1].content == first.messages[0].content
    assert client.agents.messages.list(agent.id).items[0].otid == message["otid"]


def test_stream_of_steps_keeps_the_order(client: Letta, agent: AgentState) -> None:
    script = f"[[script: {SEARCH}]] [[then: say done]]"

    events = list(client.agents.messages.stream(agent.id, messages=said(f"go {script}")))

    assert kinds(events) == [
        "ping",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert events[0].run_id == events[1].run_id
    assert events[-1].step_count == 2


def test_stream_of_tokens_says_what_the_history_says_under_the_same_ids(
    client: Letta, agent: AgentState
) -> None:
    script = f"[[script: think let me see]] [[and: {SEARCH}]] [[then: say All is found here]]"

    events = list(
        client.agents.messages.create(
            agent.id, messages=said(f"go {script}"), streaming=True, stream_tokens=True
        )
    )

    joined: dict[tuple[str, str], str] = {}
    for event in events[1:-2]:
        key = (event.id, event.otid)
        joined.setdefault(key, "")
        match event.message_type:
            case "assistant_message":
                joined[key] += event.content
            case "reasoning_message":
                joined[key] += event.reasoning
            case "tool_call_message":
                joined[key] += event.tool_call.arguments or ""
            case _:
                joined[key] += event.tool_return
    stored = client.agents.messages.list(agent.id).items[1:]
    assert list(joined.items()) == [
        (
            (message.id, message.otid),
            {
                "assistant_message": lambda m: m.content,
                "reasoning_message": lambda m: m.reasoning,
                "tool_call_message": lambda m: m.tool_call.arguments,
                "tool_return_message": lambda m: m.tool_return,
            }[message.message_type](message),
        )
        for message in stored
    ]
    assert kinds(events).count("assistant_message") > 1
    assert kinds(events)[0] == "ping"
    assert kinds(events)[-2:] == ["stop_reason", "usage_statistics"]
    deltas = [event for event in events if event.message_type == "tool_call_message"]
    assert deltas[0].tool_call.name == "conversation_search"
    assert all(delta.tool_call == delta.tool_calls for delta in deltas)


def test_stream_on_the_wire_has_no_event_names_and_ends_with_done(
    server: Server, agent: AgentState
) -> None:
    url = f"{server.base_url}/v1/agents/{agent.id}/messages/stream"

    with httpx.stream("POST", url, json={"input": "hi", "include_pings": False}) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = [line for line in answer.iter_lines() if line]

    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[0].removeprefix("data: "))["message_type"] == "assistant_message"


def test_stream_whose_model_fails_raises_in_the_sdk(client: Letta, agent: AgentState) -> None:
    stream = client.agents.messages.stream(
        agent.id, messages=said("x [[script: error rate_limit]]")
    )

    assert kinds([next(stream), next(stream)]) == ["ping", "stop_reason"]
    with pytest.raises(APIStatusError, match="llm_rate_limit"):
        next(stream)


def test_stream_cut_in_the_middle_stores_nothing_of_the_step(
    client: Letta, agent: AgentState
) -> None:
    script = "[[script: say a long answer that breaks off]] [[and: error cut]]"

    with pytest.raises(APIStatusError):
        list(
            client.agents.messages.stream(
                agent.id, messages=said(f"x {script}"), stream_tokens=True
            )
        )

    assert kinds(client.agents.messages.list(agent.id).items) == ["user_message"]


def test_stream_left_by_its_client_is_finished_all_the_same(
    server: Server, client: Letta, agent: AgentState
) -> None:
    url = f"{server.base_url}/v1/agents/{agent.id}/messages/stream"
    body = {"input": f"go [[script: {SEARCH}]] [[and: delay 0.3]] [[then: say finished]]"}

    with httpx.stream("POST", url, json=body) as answer:
        next(answer.iter_lines())

    deadline = time.monotonic() + 10
    while client.runs.list(agent_id=agent.id).items[0].status != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.agents.messages.list(agent.id).items[-1].content == "finished"


def test_old_agents_speak_through_a_tool(client: Letta) -> None:
    agent = an_sdk_agent(client, agent_type="memgpt_agent")
    script = '[[script: call send_message {"message": "Hello Bob"}]]'

    response = client.agents.messages.create(agent.id, input=f"hi {script}")
    plain = client.agents.messages.create(
        agent.id, input=f"hi {script}", use_assistant_message=False
    )
    streamed = list(
        client.agents.messages.stream(agent.id, input=f"hi {script}", stream_tokens=True)
    )

    assert [(m.message_type, m.content) for m in response.messages] == [
        ("assistant_message", "Hello Bob")
    ]
    assert kinds(plain.messages) == ["tool_call_message", "tool_return_message"]
    said_in_stream = [e.content for e in streamed if e.message_type == "assistant_message"]
    assert "".join(said_in_stream) == "Hello Bob"
    assert set(kinds(streamed)) == {
        "ping",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    }
    assert (
        kinds(client.agents.messages.list(agent.id).items)
        == [
            "user_message",
            "assistant_message",
        ]
        * 3
    )


def test_list_pages_as_the_protocol_does(client: Letta, agent: AgentState) -> None:
    for number in range(3):
        client.agents.messages.create(agent.id, input=f"m{number} [[script: say a{number}]]")
    everything = client.agents.messages.list(agent.id).items
    ids = [message.id for message in everything]

    def listed(**query: Any) -> list[str]:
        return [message.id for message in client.agents.messages.list(agent.id, **query).items]

    assert kinds(everything) == ["user_message", "assistant_message"] * 3
    assert listed(limit=2) == ids[4:]
    assert listed(limit=2, before=ids[4]) == ids[2:4]
    assert listed(limit=2, after=ids[1], order="asc") == ids[2:4]
    assert listed(limit=2, after=ids[1]) == ids[4:]
    assert listed(limit=2, order="asc") == ids[:2]
    assert [
        message.id for message in client.agents.messages.list(agent.id, limit=2, order="asc")
    ] == ids
    backwards = client.agents.messages.list(agent.id, limit=2, before=ids[5])
    assert sorted(message.id for message in backwards) == sorted(ids[:5])
    assert (
        kinds(
            client.agents.messages.list(
                agent.id, limit=2, order="asc", include_return_message_types=["assistant_message"]
            )
        )
        == ["assistant_message"] * 3
    )
    with pytest.raises(UnprocessableEntityError):
        listed(after="message-1")
    with pytest.raises(UnprocessableEntityError):
        listed(after=new_id("message"))


def test_reset_forgets_the_history_and_keeps_the_memory(client: Letta, agent: AgentState) -> None:
    client.agents.messages.create(agent.id, input="hello")

    answer = client.agents.messages.reset(agent.id, add_default_initial_messages=True)

    assert answer is None
    assert client.agents.messages.list(agent.id).items == []
    assert client.agents.retrieve(agent.id).message_ids == []
    assert client.agents.blocks.retrieve("human", agent_id=agent.id).value == "Name: Bob"
    client.agents.messages.create(agent.id, input="hello again")
    assert len(client.agents.messages.list(agent.id).items) == 2
    with pytest.raises(NotFoundError):
        client.agents.messages.reset(new_id("agent"))


def test_reset_without_an_sdk_answers_with_the_agent(server: Server, agent: AgentState) -> None:
    url = f"{server.base_url}/v1/agents/{agent.id}/reset-messages"

    answer = httpx.patch(url, json={}, headers={"user-agent": "curl/8"})

    assert answer.json()["id"] == agent.id
    assert answer.json()["blocks"][0]["label"] == "human"


def test_two_messages_at_once_are_both_answered_or_one_is_refused(
    client: Letta, agent: AgentState
) -> None:
    answers: list[str] = []

    def send(text: str) -> None:
        try:
            client.agents.messages.create(agent.id, input=f"{text} [[script: say ok]]")
            answers.append("ok")
        except ConflictError:
            answers.append("busy")

    threads = [threading.Thread(target=send, args=[f"m{number}"]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    history = kinds(client.agents.messages.list(agent.id).items)
    assert history == ["user_message", "assistant_message"] * answers.count("ok")
    assert answers.count("ok") >= 1
