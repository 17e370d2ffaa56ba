"""Bedrock: what Converse is sent, and what comes back, beside what all wires have in common."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.conversations import (
    SEARCH,
    a_request,
    assistant,
    call,
    everything,
    matches_golden,
    returned,
    returns,
    user,
)
from support.wire_bedrock import error_body, problems_in
from support.wires import BedrockServer, Failure, a_reply

from remanence.core.exchange import Image, Reasoning, Reply, Text
from remanence.errors import InvalidRequest, NotSupported, ProviderBadReply, ProviderRefusedKey
from remanence.llm.bedrock_models import plain_name
from remanence.llm.bedrock_reply import read_events, read_whole
from remanence.llm.bedrock_request import to_body
from remanence.llm.models import Models
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import Request

VENDOR = next(vendor for vendor in VENDORS if vendor.name == "bedrock")
GOLDEN = Path(__file__).parent / "golden"
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=k/d/r/bedrock/aws4_request, "
          "SignedHeaders=host, Signature=0a"}  # fmt: skip


@pytest.fixture
def server() -> Iterator[BedrockServer]:
    with BedrockServer() as started:
        yield started
    assert started.problems == []


@pytest.fixture
def models(server: BedrockServer, aws_credentials: None) -> Iterator[Models]:
    made = Models([Provider(vendor=VENDOR, base_url=server.base_url, region="eu-west-1")])
    yield made
    made.close()


def asked(models: Models, request: Request, *, stream: bool = True) -> Reply:
    *_, reply = models.call(request, stream=stream, deadline=time.monotonic() + 10)
    assert isinstance(reply, Reply)
    return reply


def body_of(*turns: Any, model: str = SONNET, **fields: Any) -> dict[str, Any]:
    body = to_body(a_request(*turns, handle=f"bedrock/{model}", **fields), VENDOR)
    path = f"/model/{model}/converse"
    assert problems_in(path, SIGNED, {k: v for k, v in body.items() if k != "modelId"}) == []
    return body


@pytest.mark.parametrize(
    "model", [SONNET, "amazon.nova-pro-v1:0", "meta.llama3-1-70b-instruct-v1:0"]
)
def test_request_is_the_golden_one(model: str) -> None:
    body = to_body(everything(f"bedrock/{model}"), VENDOR)

    assert matches_golden(GOLDEN, f"bedrock-{plain_name(model).replace(':', '-')}", body)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (SONNET, "claude-sonnet-4-5-20250929-v1:0"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307-v1:0"),
        ("global.amazon.nova-2-lite-v1:0", "nova-2-lite-v1:0"),
        ("us-gov.anthropic.claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("meta.llama3-1-70b-instruct-v1:0", "llama3-1-70b-instruct-v1:0"),
        (f"arn:aws:bedrock:us-east-1:1:inference-profile/{SONNET}", SONNET[13:]),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b-1:0"),
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
    ],
)
def test_name_of_a_model_is_found_behind_region_and_maker(model: str, name: str) -> None:
    assert plain_name(model) == name


def test_thinking_is_asked_for_as_claude_takes_it_and_excludes_what_it_refuses() -> None:
    body = body_of(thinking_budget_tokens=2000, temperature=0.5, tools=(SEARCH,))

    thinking = body["additionalModelRequestFields"]["thinking"]
    assert thinking == {"type": "enabled", "budget_tokens": 2000}
    assert body["inferenceConfig"] == {"maxTokens": 32_000}
    assert "toolChoice" not in body["toolConfig"]


@pytest.mark.parametrize(
    ("model", "choice", "told"),
    [
        (SONNET, "required", {"any": {}}),
        (SONNET, SEARCH.name, {"tool": {"name": SEARCH.name}}),
        (SONNET, "none", None),
        ("mistral.mistral-large-2407-v1:0", SEARCH.name, {"any": {}}),
        ("meta.llama3-1-70b-instruct-v1:0", "required", None),
        ("anthropic.claude-opus-5-5-v1:0", "required", None),
    ],
)
def test_tool_choice_is_told_as_far_as_the_model_takes_it(
    model: str, choice: str, told: dict[str, Any] | None
) -> None:
    body = body_of(model=model, tools=(SEARCH,), tool_choice=choice)

    assert body["toolConfig"].get("toolChoice") == told


def test_schema_travels_as_text_and_another_format_is_refused() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "tea", "schema": {"type": "object"}}}

    body = body_of(response_format=schema)

    told = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert told == {"name": "tea", "schema": '{"type": "object"}'}
    with pytest.raises(InvalidRequest) as caught:
        body_of(response_format={"type": "json_object"})
    assert caught.value.field == "response_format"


def test_calls_of_the_history_are_sent_with_their_tools_when_none_are_offered() -> None:
    body = body_of(user("Who?"), assistant(call("call_1")), returns(returned("call_1", "")))

    names = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    assert names == [SEARCH.name]


def test_image_named_by_its_address_is_told_and_an_inline_one_is_shown() -> None:
    data_url = "data:image/jpg;base64,/9j/"

    body = body_of(user(Image(url="https://example.org/cat.png"), Image(url=data_url)))

    first, second, _ = body["messages"][0]["content"]
    assert "https://example.org/cat.png" in first["text"]
    assert second["image"] == {"format": "jpeg", "source": {"bytes": "/9j/"}}


def test_image_reaches_the_server_as_the_bytes_it_is(server: Any, models: Models) -> None:
    image = Image(media_type="image/png", data="iVBORw0KGgo=")

    asked(models, a_request(user(image), handle=f"bedrock/{SONNET}"))

    sent = server.bodies[0]["messages"][0]["content"][0]["image"]["source"]["bytes"]
    assert sent == "iVBORw0KGgo="


@pytest.mark.parametrize("stream", [True, False])
def test_hidden_thought_comes_back_to_bedrock_and_to_nobody_else(
    server: Any, models: Models, stream: bool
) -> None:
    server.answers.append(a_reply(Reasoning(text="", redacted="aGlkZGVu"), "So."))

    reply = asked(models, a_request(handle=f"bedrock/{SONNET}"), stream=stream)
    body = body_of(user("Hi"), assistant(*reply.parts), user("And?"))

    assert reply.parts == (Reasoning(text="", redacted="bedrock:aGlkZGVu"), Text(text="So."))
    thought = body["messages"][1]["content"][0]
    assert thought == {"reasoningContent": {"redactedContent": "aGlkZGVu"}}


def test_cached_tokens_are_part_of_the_prompt() -> None:
    usage = {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 30,
             "cacheWriteInputTokens": 7}  # fmt: skip
    message = {"role": "assistant", "content": [{"text": "hi"}]}
    body: Any = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}

    reply = read_whole(body, a_request(), "m")

    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.cached_input_tokens) == (42, 30)
    assert (reply.usage.cache_write_tokens, reply.usage.completion_tokens) == (7, 2)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([{"messageStart": {"role": "assistant"}}], "cut off"),
        ([{"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"sound": "x"}}}], "sound"),
        ([{"messageStop": {"stopReason": "malformed_tool_use"}}], "malformed"),
        ([{"messageStop": {"stopReason": "bored"}}], "bored"),
    ],
)
def test_answer_that_cannot_be_read_is_a_bad_reply(events: Any, words: str) -> None:
    with pytest.raises(ProviderBadReply, match=words):
        list(read_events(events, a_request(), "m"))


def test_models_and_profiles_of_the_region_are_listed(server: Any, models: Models) -> None:
    def summary(model: str, **fields: Any) -> dict[str, Any]:
        usual = {"inferenceTypesSupported": ["ON_DEMAND"], "outputModalities": ["TEXT"]}
        arn = f"arn:aws:bedrock:eu-west-1::foundation-model/{model}"
        names = {"modelId": model, "modelArn": arn, "responseStreamingSupported": True}
        return usual | names | fields

    server.pages["/foundation-models"] = {
        "modelSummaries": [
            summary("amazon.nova-pro-v1:0"),
            summary("anthropic.claude-opus-4-8", inferenceTypesSupported=["INFERENCE_PROFILE"]),
            summary(
                "amazon.titan-embed-text-v2:0",
                outputModalities=["EMBEDDING"],
                responseStreamingSupported=False,
            ),
        ]
    }
    server.pages["/inference-profiles"] = {
        "inferenceProfileSummaries": [
            {
                "inferenceProfileId": SONNET,
                "inferenceProfileName": "US Sonnet",
                "status": "ACTIVE",
                "inferenceProfileArn": "arn:aws:bedrock:eu-west-1:1:inference-profile/x",
                "type": "SYSTEM_DEFINED",
                "models": [],
            }
        ]
    }

    found = models.list_models(deadline=time.monotonic() + 10)
    embeddings = models.list_embedding_models(deadline=time.monotonic() + 10)

    assert {info.model: info.context_window for info in found} == {
        "amazon.nova-pro-v1:0": 300_000,
        SONNET: 200_000,
    }
    assert [(e.model, e.embedding_dim) for e in embeddings] == [
        ("amazon.titan-embed-text-v2:0", 1_024)
    ]


def test_profiles_that_a_role_may_not_list_hide_no_models(server: Any, models: Models) -> None:
    server.pages["/foundation-models"] = {"modelSummaries": []}
    server.pages["/inference-profiles"] = Failure("403")

    assert models.list_models(deadline=time.monotonic() + 10) == []
    assert [r.path.partition("?")[0] for r in server.received] == [
        "/foundation-models",
        "/inference-profiles",
    ]


@pytest.mark.parametrize(
    ("model", "requests"), [("amazon.titan-embed-text-v2:0", 3), ("cohere.embed-english-v3", 1)]
)
def test_texts_are_embedded_one_by_one_or_together(
    server: Any, models: Models, model: str, requests: int
) -> None:
    vectors = models.embed(f"bedrock/{model}", ["a", "", "ccc"], deadline=time.monotonic() + 10)

    assert [vector[0] for vector in vectors] == [1.0, 1.0, 3.0]
    assert len(server.bodies) == requests


def test_missing_credentials_are_told_with_the_remedy(
    server: Any, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(ProviderRefusedKey, match="bedrock:InvokeModel"):
        asked(models, a_request(handle=f"bedrock/{SONNET}"))


def test_missing_boto3_is_told_with_the_remedy(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "remanence.llm.sdk_bedrock", raising=False)
    monkeypatch.delattr("remanence.llm.sdk_bedrock", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(NotSupported, match=r"remanence\[aws\]"):
        asked(models, a_request(handle=f"bedrock/{SONNET}"))


def test_parameter_that_an_older_boto3_does_not_know_is_a_refusal(models: Models) -> None:
    with pytest.raises(Exception, match="maxTokens") as caught:
        asked(models, a_request(handle=f"bedrock/{SONNET}", max_output_tokens="many"))

    assert caught.value.code == "llm_bad_request"  # type: ignore[attr-defined]


def test_server_finds_what_is_wrong() -> None:
    """The validator itself: an unsigned request, a blank text, a tool block without tools."""
    use = {"toolUseId": "a b", "name": "n", "input": {}}
    wrong = {
        "messages": [
            {"role": "user", "content": [{"text": " "}]},
            {"role": "assistant", "content": [{"toolUse": use}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": "n", "inputSchema": {"json": {}}}}]},
    }

    problems = problems_in(f"/model/{SONNET}/converse", {}, wrong)

    for words in ("not signed", "blank", "bad tool use ids", "not the user's", "no object schema"):
        assert any(words in problem for problem in problems), words
    assert problems_in("/model/m/converse", SIGNED, {"message": []}) == [".message: unknown field"]
    assert error_body("429")["__type"] == "ThrottlingException"
