"""Error answers of every shape -> one class, without the key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from remanence.errors import (
    ProviderError,
    ProviderFiltered,
    ProviderOverloaded,
    ProviderQuota,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejected,
    ProviderTimeout,
    ProviderTooLong,
)
from remanence.llm.faults import describe, to_error
from remanence.llm.vendors import VENDORS, Provider

PROVIDERS = {
    vendor.name: Provider(vendor=vendor, base_url="http://x", api_key="the-secret-key")
    for vendor in VENDORS
}


@dataclass(frozen=True)
class Case:
    id: str
    vendor: str
    status: int | None
    body: Any
    cls: type[ProviderError]


def inner(**fields: Any) -> dict[str, Any]:
    return {"error": fields}


CASES = [
    Case("code", "openai", 400, inner(code="context_length_exceeded"), ProviderTooLong),
    Case("filter", "openai", 400, inner(code="content_filter"), ProviderFiltered),
    Case("policy", "openai", 400, inner(code="content_policy_violation"), ProviderFiltered),
    Case(
        "azure's filter",
        "azure",
        400,
        inner(code=None, innererror={"code": "ResponsibleAIPolicyViolation"}),
        ProviderFiltered,
    ),
    Case("code unwrapped", "openai", 400, {"code": "context_length_exceeded"}, ProviderTooLong),
    Case("llama.cpp", "openai", 400, inner(type="exceed_context_size_error"), ProviderTooLong),
    Case(
        "vllm has words only",
        "vllm",
        400,
        {"message": "This model's maximum context length is 10 tokens", "code": 400},
        ProviderTooLong,
    ),
    Case(
        "gemini in a list",
        "gemini",
        400,
        [inner(status="INVALID_ARGUMENT", message="exceeds the maximum number of tokens allowed")],
        ProviderTooLong,
    ),
    Case(
        "anthropic has words only",
        "anthropic",
        400,
        inner(type="invalid_request_error", message="Prompt is too long: 9 > 8"),
        ProviderTooLong,
    ),
    Case("words count at 400 only", "vllm", 500, "maximum context length", ProviderOverloaded),
    Case(
        "words of another vendor do not count",
        "groq",
        400,
        inner(message="prompt is too long"),
        ProviderRejected,
    ),
    Case("too large", "anthropic", 413, inner(type="request_too_large"), ProviderTooLong),
    Case("quota", "openai", 429, inner(code="insufficient_quota"), ProviderQuota),
    Case("payment", "deepseek", 402, inner(message="Insufficient Balance"), ProviderQuota),
    Case("billing", "anthropic", 400, inner(type="billing_error"), ProviderQuota),
    Case("limit", "groq", 429, inner(code="rate_limit_exceeded"), ProviderRateLimited),
    Case("capacity", "groq", 498, "", ProviderOverloaded),
    Case("gateway", "openrouter", 504, "<html>", ProviderTimeout),
    Case("slow client", "openai", 408, "", ProviderTimeout),
    Case("teapot", "openai", 418, {}, ProviderRejected),
    Case("redirect", "openai", 307, "", ProviderOverloaded),
    Case("stream numeric", "openrouter", None, {"code": 429}, ProviderRateLimited),
    Case(
        "stream overloaded", "anthropic", None, inner(type="overloaded_error"), ProviderOverloaded
    ),
    Case("stream limit", "anthropic", None, inner(type="rate_limit_error"), ProviderRateLimited),
    Case("stream key", "anthropic", None, inner(type="authentication_error"), ProviderRefusedKey),
    Case("stream too long", "openai", None, {"code": "context_length_exceeded"}, ProviderTooLong),
    Case("stream unknown", "openai", None, "?", ProviderOverloaded),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_error_answer_is_one_class(case: Case) -> None:
    kind: Any = "stream" if case.status is None else "status"

    error = to_error(describe(kind, case.status, case.body, {}), PROVIDERS[case.vendor])

    assert type(error) is case.cls


def test_providers_own_words_are_passed_on_short_and_without_the_key() -> None:
    words = "Unsupported parameter\n  near the-secret-key " + "x" * 1000

    error = to_error(describe("status", 400, inner(message=words), {}), PROVIDERS["openai"])

    assert "Unsupported parameter near ***" in error.message
    assert "the-secret-key" not in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "tomorrow"}, None),
        ({}, None),
    ],
)
def test_pause_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    error = to_error(describe("status", 429, {}, headers), PROVIDERS["openai"])

    assert isinstance(error, ProviderRateLimited)
    assert error.retry_after_s == seconds
