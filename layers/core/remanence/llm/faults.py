"""What went wrong at a provider -> one class of errors.py.

Path: client.Client catches what an SDK raises, describes it as a Fault, and raises `to_error`.
Pure. Decides by kind, status and code, not by the words of a message, with two exceptions that
are marked. No message of ours holds a key, and none of a refused key holds the provider's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remanence.errors import (
    ProviderBadReply,
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
from remanence.llm.payload import inner, objects, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.llm.vendors import Provider

_MESSAGE_CHARS = 300
_KEY_CHARS = 8
_TOO_LONG_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "request_too_large"}
)
# What `ProviderRejected.about` holds when a model takes no tools: our own word.
NO_TOOLS = "tools_unsupported"
# Ollama's, vLLM's (started without a parser for calls) and OpenRouter's words.
_NO_TOOLS_PHRASES = (
    "does not support tools",
    "requires --enable-auto-tool-choice",
    "support tool use",
)
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_error", "credit_balance_too_low"})
# OpenAI's, Azure's (outer and inner), and what gateways pass on.
_FILTER_CODES = frozenset(
    {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
)
# Codes that arrive inside a stream, where the status was 200 long ago.
_STATUS_OF_CODE: Mapping[str, int] = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "overloaded_error": 529,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "authentication_error": 401,
    "permission_error": 403,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "invalid_encrypted_content": 400,
    # Bedrock's.
    "throttlingException": 429,
    "serviceUnavailableException": 503,
    "internalServerException": 500,
    "modelStreamErrorException": 500,
    "validationException": 400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failed call, as far as it can be told.

    `status` is None when there was no answer, or when the answer began well (kind "stream").
    `codes` are the machine-readable words of the answer: what it is, and which parameter
    it is about.
    """

    kind: Literal["timeout", "connection", "status", "stream", "unreadable"]
    status: int | None = None
    codes: frozenset[str] = frozenset()
    message: str = ""
    retry_after_s: float | None = None


def describe(
    kind: Literal["status", "stream"], status: int | None, body: object, headers: Mapping[str, str]
) -> Fault:
    """A Fault from the body of an error answer, whatever its shape.

    OpenAI and Anthropic send `{"error": {...}}`, their SDKs pass on one or the other level,
    Gemini wraps it into a list, others send text.
    """
    outer = [*objects(body), *objects([body])][:1]
    error = (inner(outer[0], "error") or outer[0]) if outer else {}
    codes = {str(error[key]) for key in ("code", "type", "status", "param") if error.get(key)}
    codes |= {text(inner(error, "innererror"), "code")} - {""}  # Azure's
    message = text(error, "message") or (body if isinstance(body, str) else "")
    if kind == "stream":
        status = next((known for code in codes if (known := _status_of(code))), None)
    return Fault(
        kind=kind,
        status=status,
        codes=frozenset(codes),
        message=message,
        retry_after_s=_retry_after_s(headers),
    )


def to_error(fault: Fault, provider: Provider) -> ProviderError:
    """The error to raise for a fault of this provider."""
    where = f"{provider.name} at {provider.shown_url}"
    if fault.kind == "timeout":
        return ProviderTimeout(f"{where} gave no answer in the time this call had")
    if fault.kind == "connection":
        return ProviderOverloaded(f"{where} cannot be reached")
    if fault.kind == "unreadable":
        return ProviderBadReply(f"{where} gave an answer that cannot be read")
    told = _told(fault, provider)
    return _by_code(fault, provider, where, told) or _by_status(fault, where, told)


def quotes_key(words: str, provider: Provider) -> bool:
    """Whether the provider's key stands in `words`."""
    # Shorter ones are what people give to servers that want none ("none", "ollama").
    return len(provider.api_key) >= _KEY_CHARS and provider.api_key in words


def _by_code(fault: Fault, provider: Provider, where: str, told: str) -> ProviderError | None:
    """What the machine-readable words say, whatever the status."""
    if fault.codes & _QUOTA_CODES or fault.status == 402:
        return ProviderQuota(f"{where} reports that the account has no credit left{told}")
    if fault.codes & _FILTER_CODES:
        return ProviderFiltered(f"the content filter of {where} refuses this{told}")
    if _is_too_long(fault, provider):
        return ProviderTooLong(f"{where} calls the prompt longer than the model takes{told}")
    return None


def _by_status(fault: Fault, where: str, told: str) -> ProviderError:
    match fault.status:
        case 401 | 403:
            # The provider's words may quote the key.
            return ProviderRefusedKey(f"{where} refuses the configured key ({fault.status})")
        case 429:
            return ProviderRateLimited(
                f"{where} asks to slow down{told}", retry_after_s=fault.retry_after_s
            )
        case 408 | 504:
            return ProviderTimeout(f"{where} ran out of time itself{told}")
        case int(status) if 400 <= status < 498 and status != 424:
            codes = fault.codes | ({NO_TOOLS} if _takes_no_tools(fault) else set[str]())
            return ProviderRejected(f"{where} refuses the request ({status}){told}", about=codes)
        case None if fault.kind == "stream":
            return ProviderOverloaded(f"{where} broke off its answer{told}")
        case status:
            # 5xx, Anthropic's 529, Groq's 498, and Bedrock's 424, by which it says that the model
            # failed: it is there, and has no capacity.
            return ProviderOverloaded(f"{where} cannot answer now ({status}){told}")


def _is_too_long(fault: Fault, provider: Provider) -> bool:
    if fault.codes & _TOO_LONG_CODES or fault.status == 413:
        return True
    # One exception to the rule of this module: these vendors have no code for it, and without
    # this the agent would fail for good where compaction would help.
    says = fault.message.lower()
    return fault.status == 400 and any(p in says for p in provider.vendor.too_long_phrases)


def _takes_no_tools(fault: Fault) -> bool:
    """The other exception: no server has a code for it, and the tools can be told as text."""
    says = fault.message.lower()
    return any(phrase in says for phrase in _NO_TOOLS_PHRASES)


def _status_of(code: str) -> int | None:
    return int(code) if code.isdecimal() else _STATUS_OF_CODE.get(code)


def _told(fault: Fault, provider: Provider) -> str:
    """The provider's own words, short and without the key."""
    words = " ".join(fault.message.split())
    if quotes_key(words, provider):
        words = words.replace(provider.api_key, "***")
    words = words[:_MESSAGE_CHARS]
    return f": {words}" if words else ""


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait; a date in place of seconds is taken as not given."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit_s)
        except (KeyError, ValueError):
            continue
    return None
