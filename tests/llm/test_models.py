"""Routing by handle, what is offered, windows, and embeddings."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.conversations import a_request
from support.wires import AnthropicServer, Failure, OpenAIServer, a_reply

from remanence.core.exchange import Reply
from remanence.errors import (
    InvalidRequest,
    NotFound,
    NotSupported,
    ProviderBadReply,
    ProviderOverloaded,
)
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.scripted import ScriptedLlm
from remanence.llm.vendors import VENDORS, Provider, configured

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR = {vendor.name: vendor for vendor in VENDORS}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as started:
        yield started


def models_at(server: OpenAIServer, name: str, **options: Any) -> Models:
    return Models([Provider(vendor=VENDOR[name], base_url=server.base_url)], **options)


def soon() -> float:
    return time.monotonic() + 10


def said_by(models: Models, handle: str) -> str:
    *_, reply = models.call(a_request(handle=handle), stream=False, deadline=soon())
    assert isinstance(reply, Reply)
    return reply.text


def handles(server: OpenAIServer, name: str) -> list[str]:
    models = models_at(server, name)
    found = [info.handle for info in models.list_models(deadline=soon())]
    models.close()
    return found


def test_first_part_of_the_handle_names_the_provider(server: OpenAIServer) -> None:
    scripted = ScriptedLlm([a_reply("from the script")])
    models = models_at(server, "openrouter", in_process={"scripted": scripted})
    server.answers.append(a_reply("from the server"))

    assert said_by(models, "openrouter/org/model") == "from the server"
    assert said_by(models, "scripted/any") == "from the script"
    assert server.bodies[0]["model"] == "org/model"
    models.close()


@pytest.mark.parametrize("prefix", ["openai", "openai-proxy"])
def test_retired_servers_prefix_means_the_same_provider(server: OpenAIServer, prefix: str) -> None:
    models = Models(configured({"OPENAI_BASE_URL": server.base_url}))

    assert said_by(models, f"{prefix}/llama") == "ok"
    assert models.context_window(f"{prefix}/llama") == 32_768
    assert server.bodies[0]["model"] == "llama"
    models.close()


def test_unknown_handle_is_refused_at_once_and_says_what_there_is(server: OpenAIServer) -> None:
    models = models_at(server, "vllm", in_process={"demo": ScriptedLlm()})

    with pytest.raises(NotFound, match=r"'acme/x' does not exist; available: vllm/..., demo/..."):
        models.call(a_request(handle="acme/x"), stream=True, deadline=soon())
    with pytest.raises(InvalidRequest, match="provider/model"):
        models.call(a_request(handle="gpt-4o"), stream=True, deadline=soon())
    with pytest.raises(NotFound):
        models.context_window("acme/x")
    with pytest.raises(NotFound):
        models.embed("acme/x", ["a"], deadline=soon())


def test_no_provider_at_all_is_said(server: OpenAIServer) -> None:
    with pytest.raises(NotFound, match="no provider is configured"):
        Models(()).call(a_request(), stream=True, deadline=soon())


def test_request_without_a_model_goes_to_the_default() -> None:
    scripted = ScriptedLlm([a_reply("hi")])
    models = Models((), in_process={"scripted": scripted}, default_handle="scripted/scripted")

    assert said_by(models, "") == "hi"
    assert scripted.requests[0].handle == "scripted/scripted"
    assert models.context_window("") == 32_768


def test_failure_in_this_process_is_not_tried_again() -> None:
    scripted = ScriptedLlm([ProviderOverloaded("down"), a_reply("up")])
    models = Models((), in_process={"scripted": scripted})

    with pytest.raises(ProviderOverloaded):
        said_by(models, "scripted/x")

    assert len(scripted.requests) == 1


def test_list_of_models_is_the_default_first_then_what_servers_and_this_process_offer(
    server: OpenAIServer,
) -> None:
    server.pages["/v1/models"] = {"data": [{"id": "llama"}, {"id": "nomic-embed-text"}, {}]}
    models = models_at(
        server,
        "vllm",
        in_process={"scripted": ScriptedLlm()},
        default_handle="scripted/scripted",
    )

    chat = models.list_models(deadline=soon())
    embedding = models.list_embedding_models(deadline=soon())
    models.close()

    assert [info.handle for info in chat] == ["scripted/scripted", "vllm/llama"]
    assert [(info.handle, info.embedding_dim) for info in embedding] == [
        ("vllm/nomic-embed-text", 768)
    ]
    assert chat[1].endpoint == server.base_url
    assert len(server.received) == 1  # both lists come from one answer


def test_list_of_everything_is_cut_to_what_can_chat(server: OpenAIServer) -> None:
    names = ["gpt-4o", "whisper-1", "gpt-image-1", "text-embedding-3-small", "models/gemini-3"]
    server.pages["/v1/models"] = {"data": [{"id": name} for name in names]}

    assert handles(server, "openai") == ["openai/gpt-4o", "openai/gemini-3"]
    assert handles(server, "vllm") == [
        "vllm/gpt-4o",
        "vllm/whisper-1",
        "vllm/gpt-image-1",
        "vllm/gemini-3",
    ]


@pytest.mark.parametrize("kind", ["500", "401", "malformed", "drop"])
def test_provider_that_fails_is_left_out_of_the_list(server: OpenAIServer, kind: str) -> None:
    server.pages["/v1/models"] = Failure(kind)
    models = models_at(server, "vllm", in_process={"scripted": ScriptedLlm()})

    found = [info.handle for info in models.list_models(deadline=soon())]
    models.close()

    assert found == ["scripted/scripted"]


def test_list_is_remembered_for_a_while_and_a_failure_for_a_shorter_one(
    server: OpenAIServer,
) -> None:
    clock = Clock()
    models = models_at(server, "vllm", pace=Pace(clock=clock))
    asked = []
    for page, ahead in [(Failure("500"), 0), ({"data": []}, 5), ({"data": []}, 11), (None, 60)]:
        server.pages["/v1/models"] = page or {"data": []}
        clock.ahead = ahead
        models.list_models(deadline=clock() + 10)
        asked.append(len(server.received))
    models.close()

    # The failure holds for 10 s, the list that was read at 11 s for 60 s.
    assert asked == [1, 1, 2, 2]


def test_provider_that_is_silent_is_left_out_at_the_deadline(server: OpenAIServer) -> None:
    server.pages["/v1/models"] = Failure("hang")
    models = models_at(server, "vllm")
    started = time.monotonic()

    assert models.list_models(deadline=time.monotonic() + 0.3) == []

    models.close()
    assert time.monotonic() - started < 3


def test_anthropic_lists_its_models_with_their_windows() -> None:
    with AnthropicServer() as server:
        server.pages["/v1/models"] = {
            "data": [
                {"id": "claude-new", "display_name": "Claude New", "max_input_tokens": 500_000},
                {"id": "claude-opus-4-8"},
            ]
        }
        models = Models([Provider(vendor=VENDOR["anthropic"], base_url=server.base_url)])
        # The package is imported within this time: ten seconds, on a busy machine.
        found = models.list_models(deadline=time.monotonic() + 60)
        models.close()

    assert [(i.handle, i.context_window, i.display_name) for i in found] == [
        ("anthropic/claude-new", 500_000, "Claude New"),
        ("anthropic/claude-opus-4-8", 1_000_000, "claude-opus-4-8"),
    ]
    assert server.received[0].path == "/v1/models?limit=1000"


@pytest.mark.parametrize(
    ("name", "entry", "window"),
    [
        ("vllm", {"id": "m", "max_model_len": 4096}, 4096),
        ("openrouter", {"id": "gpt-4o", "context_length": 9000}, 9000),
        ("groq", {"id": "m", "context_window": 131_072}, 131_072),
        ("vllm", {"id": "gpt-4o"}, 128_000),
        ("vllm", {"id": "m"}, 32_768),
        ("ollama", {"id": "gpt-oss:20b"}, 8_192),
    ],
)
def test_window_that_a_server_tells_goes_before_what_its_name_says(
    server: OpenAIServer, name: str, entry: dict[str, Any], window: int
) -> None:
    server.pages["/v1/models"] = {"data": [entry]}
    models = models_at(server, name)

    assert models.context_window(f"{name}/{entry['id']}") == window
    assert models.list_models(deadline=soon())[0].context_window == window
    models.close()


def test_window_of_a_running_ollama_model_is_the_one_it_was_started_with(
    server: OpenAIServer,
) -> None:
    server.pages["/v1/models"] = {"data": [{"id": "qwen3:latest"}, {"id": "gemma"}]}
    server.pages["/api/ps"] = {"models": [{"name": "qwen3:latest", "context_length": 4096}]}
    models = models_at(server, "ollama")

    assert models.context_window("ollama/qwen3") == 4096
    assert models.context_window("ollama/gemma") == 8192
    models.close()


def test_window_that_the_user_set_needs_no_network(server: OpenAIServer) -> None:
    provider = Provider(vendor=VENDOR["ollama"], base_url=server.base_url, context_window=64_000)
    models = Models([provider])

    assert models.context_window("ollama/qwen3") == 64_000
    assert server.received == []


def test_window_of_a_known_model_needs_no_network(server: OpenAIServer) -> None:
    models = models_at(server, "openai")

    assert models.context_window("openai/gpt-4o-mini") == 128_000
    assert server.received == []


def test_window_of_a_model_nobody_knows_is_the_vendors_default(server: OpenAIServer) -> None:
    server.pages["/v1/models"] = Failure("500")
    models = models_at(server, "deepseek")

    assert models.context_window("deepseek/new") == 128_000
    models.close()


def test_embedding_keeps_the_order_over_several_batches(server: OpenAIServer) -> None:
    vendor = replace(VENDOR["vllm"], embed_batch=2)
    models = Models([Provider(vendor=vendor, base_url=server.base_url)])

    vectors = models.embed("vllm/bge-m3", ["a", "bbb", "", "dddd", "ee"], deadline=soon())
    models.close()

    assert [vector[0] for vector in vectors] == [1.0, 3.0, 1.0, 4.0, 2.0]
    assert [body["input"] for body in server.bodies] == [["a", "bbb"], [" ", "dddd"], ["ee"]]
    assert server.problems == []


def test_embedding_of_nothing_calls_nobody(server: OpenAIServer) -> None:
    models = models_at(server, "vllm")

    assert models.embed("vllm/bge-m3", [], deadline=soon()) == []
    assert server.received == []


def test_embedding_is_tried_again_and_fails_with_its_class(server: OpenAIServer) -> None:
    pauses: list[float] = []
    models = models_at(server, "vllm", pace=Pace(sleep=pauses.append))
    server.answers += [Failure("503"), a_reply(), Failure("malformed")]

    assert len(models.embed("vllm/bge-m3", ["a"], deadline=soon())) == 1
    with pytest.raises(ProviderBadReply):
        models.embed("vllm/bge-m3", ["a"], deadline=soon())
    models.close()

    assert len(pauses) == 1


def test_embedding_where_there_is_none_is_not_supported() -> None:
    provider = Provider(vendor=VENDOR["anthropic"], base_url="http://127.0.0.1:9")
    models = Models([provider], in_process={"scripted": ScriptedLlm()})

    for handle in ("anthropic/claude", "scripted/scripted"):
        with pytest.raises(NotSupported):
            models.embed(handle, ["a"], deadline=soon())


def test_what_is_known_follows_from_the_providers_and_asks_nobody(server: OpenAIServer) -> None:
    providers = [
        Provider(vendor=VENDOR["openai"], base_url=server.base_url),
        Provider(vendor=VENDOR["anthropic"], base_url="http://127.0.0.1:9"),
    ]
    models = Models(providers, in_process={"scripted": ScriptedLlm()})

    assert [models.knows(h) for h in ("openai/x", "anthropic/x", "scripted/x")] == [True] * 3
    assert [models.knows(h) for h in ("openai", "openai/", "groq/x", "")] == [False] * 4
    assert models.knows_embedding("openai/x")
    assert not any(models.knows_embedding(h) for h in ("anthropic/x", "scripted/x", "no/such"))
    with pytest.raises(NotFound, match=r"embedding model 'no/such' .* openai/"):
        models.check_embedding("no/such")
    with pytest.raises(InvalidRequest, match="an embedding model is named as provider/model"):
        models.check_embedding("such")
    assert server.received == []
