"""The real `openai` and `anthropic` packages against servers that check what they are sent."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.conversations import (
    SEARCH,
    SEND,
    a_request,
    assistant,
    everything,
    returned,
    returns,
    user,
)
from support.wires import (
    AnthropicServer,
    BedrockServer,
    Failure,
    OpenAIServer,
    ResponsesServer,
    WireServer,
    a_reply,
)

from remanence.core.exchange import (
    Delta,
    Reasoning,
    Reply,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from remanence.llm.models import Models
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR = {vendor.name: vendor for vendor in VENDORS}
SERVERS: dict[str, type[WireServer]] = {
    "openai": OpenAIServer,
    "responses": ResponsesServer,
    "anthropic": AnthropicServer,
    "bedrock": BedrockServer,
}
HANDLES = {
    OpenAIServer: "openai/gpt-4o",
    ResponsesServer: "openai/gpt-5.5",
    AnthropicServer: "anthropic/claude-opus-5-5",
    BedrockServer: "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
# How the signature of BOTH_CALLS comes back over each wire.
SIGNATURES = {
    ResponsesServer: "openai:rs_0:sig-2",
    AnthropicServer: "sig-2",
    BedrockServer: "sig-2",
}
USAGE = Usage(prompt_tokens=50, completion_tokens=9, cached_input_tokens=30)
BOTH_CALLS = a_reply(
    Reasoning(text="I should look.", signature="sig-2"),
    "Let me look twice.",
    ToolCall(tool_call_id="call_a", name=SEARCH.name, arguments='{"query": "tea é"}'),
    ToolCall(tool_call_id="call_b", name=SEARCH.name, arguments='{"query": "milk"}'),
    finish="tool_calls",
    usage=USAGE,
)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[WireServer]:
    with SERVERS[request.param]() as started:
        yield started
    assert started.problems == []


@pytest.fixture
def models(server: WireServer, aws_credentials: None) -> Iterator[Models]:
    vendor = VENDOR[handle_of(server).partition("/")[0]]
    made = Models(
        [
            Provider(
                vendor=vendor, base_url=server.base_url, api_key="secret-key", region="eu-west-1"
            )
        ]
    )
    yield made
    made.close()


def handle_of(server: WireServer) -> str:
    return HANDLES[type(server)]


def played(
    models: Models, request: Request, *, stream: bool, seconds: float = 10
) -> tuple[list[Delta], Reply]:
    *deltas, reply = models.call(request, stream=stream, deadline=time.monotonic() + seconds)
    assert isinstance(reply, Reply)
    return deltas, reply  # type: ignore[return-value]


@pytest.mark.parametrize("stream", [True, False])
def test_conversation_of_everything_is_accepted_and_answered(
    server: Any, models: Models, stream: bool
) -> None:
    server.answers.append(BOTH_CALLS)

    deltas, reply = played(models, everything(handle_of(server)), stream=stream)

    signature = SIGNATURES.get(type(server))
    assert reply == replace(
        BOTH_CALLS,
        parts=(Reasoning(text="I should look.", signature=signature), *BOTH_CALLS.parts[1:]),
        model=handle_of(server).partition("/")[2],
    )
    assert server.streams(server.received[0].path, server.bodies[0]) == stream
    assert bool(deltas) == stream


def test_streamed_fragments_add_up_to_the_reply(server: Any, models: Models) -> None:
    server.answers.append(BOTH_CALLS)

    deltas, reply = played(models, a_request(handle=handle_of(server)), stream=True)

    told = "".join(d.text for d in deltas if isinstance(d, TextDelta))
    arguments: dict[str, str] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            arguments[delta.tool_call_id] = arguments.get(delta.tool_call_id, "") + delta.arguments
    assert told == reply.text
    assert arguments == {c.tool_call_id: c.arguments for c in reply.tool_calls}


@pytest.mark.parametrize("stream", [True, False])
def test_tool_loop_goes_on_with_what_the_model_said(
    server: Any, models: Models, stream: bool
) -> None:
    server.answers += [BOTH_CALLS, a_reply("Ann does.")]
    request = a_request(user("Who?"), handle=handle_of(server), tools=(SEARCH, SEND))

    _, first = played(models, request, stream=stream)
    turns = (
        *request.turns,
        assistant(*first.parts),
        returns(*(returned(c.tool_call_id) for c in first.tool_calls)),
    )
    _, second = played(models, replace(request, turns=turns), stream=stream)

    assert second.text == "Ann does."


@pytest.mark.parametrize("choice", ["auto", "required", "none", "send_message"])
def test_every_tool_choice_is_accepted(server: Any, models: Models, choice: str) -> None:
    request = a_request(handle=handle_of(server), tools=(SEARCH, SEND), tool_choice=choice)

    played(models, request, stream=False)

    assert isinstance(server, BedrockServer) or "tool_choice" in server.bodies[0]


def test_usage_that_a_server_leaves_out_is_none() -> None:
    with OpenAIServer() as server:
        server.includes_usage = False
        models = Models([Provider(vendor=VENDOR["vllm"], base_url=server.base_url)])
        _, reply = played(models, a_request(handle="vllm/m"), stream=True)
        models.close()

    assert reply.usage is None


def test_closing_the_iterator_hangs_up(server: Any, models: Models) -> None:
    server.answers += [Failure("stall"), a_reply("next")]
    request = a_request(handle=handle_of(server))
    items = models.call(request, stream=True, deadline=time.monotonic() + 20)
    started = time.monotonic()

    assert next(items) == TextDelta(text="one")
    items.close()  # type: ignore[attr-defined]
    _, reply = played(models, request, stream=False)

    assert reply.text == "next"
    assert time.monotonic() - started < 5


def test_client_is_kept_between_calls_and_made_anew_after_close(
    server: Any, models: Models
) -> None:
    request = a_request(handle=handle_of(server))

    for _ in range(2):
        played(models, request, stream=False)
        models.close()
    played(models, request, stream=True)

    assert len(server.bodies) == 3


def test_beta_header_goes_with_the_field_that_needs_it(server: Any, models: Models) -> None:
    played(models, a_request(handle=handle_of(server)), stream=True)

    has_field = "block_binding" in str(server.bodies[0])
    assert has_field == ("anthropic-beta" in server.received[0].headers)
    assert has_field == isinstance(server, AnthropicServer)


def test_key_goes_to_the_server_and_the_organization_of_openai_to_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    with OpenAIServer() as server:
        for name in ("openai", "groq"):
            models = Models([Provider(vendor=VENDOR[name], base_url=server.base_url, api_key="k")])
            played(models, a_request(handle=f"{name}/m"), stream=False)
            models.close()

    organizations = [r.headers.get("openai-organization") for r in server.received]
    assert organizations == ["org-of-the-environment", None]
    assert {r.headers["authorization"] for r in server.received} == {"Bearer k"}


def test_server_of_ones_own_needs_no_key() -> None:
    with OpenAIServer() as server:
        models = Models([Provider(vendor=VENDOR["vllm"], base_url=server.base_url)])
        _, reply = played(models, a_request(handle="vllm/org/model"), stream=True)
        models.close()

    assert reply.parts == (Text(text="ok"),)
    assert server.bodies[0]["model"] == "org/model"
    assert server.problems == []
