"""What a streamed reply costs: CPU per 1,000 tokens, and how late its first word is.

Compared in one run with the providers' own packages, used bare:
`make perf ARGS='tests/perf/test_streaming.py -s'`.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import anthropic
import boto3
import openai
import pytest
from support.conversations import a_request
from support.server import serving
from support.wires import (
    AnthropicServer,
    BedrockServer,
    OpenAIServer,
    ResponsesServer,
    WireServer,
    a_reply,
)

from remanence.core.exchange import TextDelta
from remanence.llm.models import Models
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.pg import Database

TOKENS = 1_000
REPEATS = 7
# How long the provider says nothing between its first word and the rest.
SILENCE_S = 0.5
# Of the bare package's CPU. boto3's own reader is quicker than the HTTP client that ends an answer
# at its deadline.
MOST = {"bedrock/some-model": 3.0}
VENDOR = {vendor.name: vendor for vendor in VENDORS}


def chat(url: str) -> Iterator[str]:
    """OpenAI's package, bare."""
    with openai.OpenAI(base_url=url, api_key="k") as client:
        messages: Any = [{"role": "user", "content": "Hello"}]
        for chunk in client.chat.completions.create(model="m", messages=messages, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


def responses(url: str) -> Iterator[str]:
    """The same package, over its other wire."""
    content: Any = [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]
    with openai.OpenAI(base_url=url, api_key="k") as client:
        for event in client.responses.create(model="m", input=content, store=False, stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta


def messages(url: str) -> Iterator[str]:
    """Anthropic's package, bare."""
    said: Any = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        for event in client.messages.create(model="m", messages=said, max_tokens=9, stream=True):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text


def converse(url: str) -> Iterator[str]:
    """boto3, bare."""
    client: Any = boto3.client("bedrock-runtime", region_name="eu-west-1", endpoint_url=url)
    said = [{"role": "user", "content": [{"text": "Hello"}]}]
    for event in client.converse_stream(modelId="m", messages=said)["stream"]:
        if "contentBlockDelta" in event:
            yield event["contentBlockDelta"]["delta"]["text"]


WIRES: dict[str, tuple[type[WireServer], Any]] = {
    "openai/gpt-4o": (OpenAIServer, chat),
    "openai/gpt-5.5": (ResponsesServer, responses),
    "anthropic/some-model": (AnthropicServer, messages),
    "bedrock/some-model": (BedrockServer, converse),
}


def models_for(handle: str, server: WireServer) -> Models:
    vendor = VENDOR[handle.partition("/")[0]]
    return Models([Provider(vendor=vendor, base_url=server.base_url, api_key="k", region="r")])


def ours(models: Models, handle: str) -> Iterator[str]:
    request = a_request(handle=handle)
    for item in models.call(request, stream=True, deadline=time.monotonic() + 60):
        if isinstance(item, TextDelta):
            yield item.text


def cpu_ms(server: WireServer, stream: Callable[[], Iterator[str]]) -> float:
    """CPU of the reading thread for one reply, after the first word, as a median."""
    found: list[float] = []
    for _ in range(REPEATS):
        server.answers.append(a_reply("word " * TOKENS))
        fragments = stream()
        next(fragments)
        started = time.thread_time()
        assert sum(1 for _ in fragments) == TOKENS - 1
        found.append((time.thread_time() - started) * 1_000)
    return statistics.median(found)


@pytest.mark.perf
@pytest.mark.parametrize("handle", WIRES)
def test_streamed_tokens_cost_what_they_may_beside_the_bare_package(
    handle: str, aws_credentials: None
) -> None:
    server_type, bare = WIRES[handle]
    with server_type() as server:
        models = models_for(handle, server)
        theirs_ms = cpu_ms(server, lambda: bare(server.base_url))
        ours_ms = cpu_ms(server, lambda: ours(models, handle))
        models.close()

    print(f"\n{handle}: {ours_ms:.0f} ms per 1,000 tokens, bare {theirs_ms:.0f} ms")
    assert ours_ms < MOST.get(handle, 1.0) * theirs_ms


class Watch:
    """When the provider said its first word, after which it is silent for a while."""

    def __init__(self) -> None:
        self.said_at = 0.0

    def __call__(self, place: int) -> None:
        if place == 1:
            self.said_at = time.monotonic()
        elif place == 2:
            time.sleep(SILENCE_S)


def test_first_word_waits_for_nothing_else(database: Database) -> None:
    """From the provider's first word to the SDK's, through the server, a run and its database."""
    delays_ms: dict[str, list[float]] = {"bare": [], "model": [], "server": []}
    with OpenAIServer() as provider:
        provider.pages["/v1/models"] = {"data": [{"id": "gpt-4o"}]}
        watch = Watch()
        provider.pace = watch
        models = models_for("openai/gpt-4o", provider)
        engine = {"models": models}
        with (
            serving(database, engine_options=engine, models=models) as server,
            server.client() as client,
        ):
            agent = client.agents.create(model="openai/gpt-4o", name="streams")

            def streamed() -> Iterator[str]:
                events = client.agents.messages.create(
                    agent.id, input="Hello", streaming=True, stream_tokens=True
                )
                for event in events:
                    if event.message_type == "assistant_message":
                        yield str(event.content)

            ways = {
                "bare": lambda: chat(provider.base_url),
                "model": lambda: ours(models, "openai/gpt-4o"),
                "server": streamed,
            }
            for _ in range(3):
                for name, stream in ways.items():
                    provider.answers.append(a_reply("one two three"))
                    fragments = stream()
                    next(fragments)
                    delays_ms[name].append((time.monotonic() - watch.said_at) * 1_000)
                    list(fragments)
        models.close()

    medians = {name: round(statistics.median(found), 1) for name, found in delays_ms.items()}
    print(f"\nfirst word after the provider's, in ms: {medians}")
    assert medians["server"] < SILENCE_S * 1_000
