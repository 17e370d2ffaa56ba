"""Who serves models, and how each one differs from its wire's standard, as one table.

Path: wiring reads `configured(env)` -> models.Models -> one client per Provider.
Pure: reads a mapping, connects nowhere. A new vendor is a row here, not a branch elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from remanence.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Wire = Literal["openai", "anthropic", "bedrock"]
Responses = Literal["never", "reasoning", "always"]

_ADDRESS = r"https?://(?:\[[0-9a-fA-F:.]+\]|[^\s/?#\"'\[\]])[^\s?#\"'\[\]]*"
_KEY = r"[\x21\x23-\x26\x28-\x7e]+"
_REGION = r"[a-z0-9-]+"
_SHAPES = {
    _ADDRESS: "an address that begins with http:// or https://, without quotes and `?`",
    _KEY: "a key of ASCII characters, without blanks and quotes",
    _REGION: "the name of a region, such as us-east-1",
}

# What a server says about a prompt that is too long, when it gives no code for it.
_VLLM_TOO_LONG = ("maximum context length",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One row: a handle prefix, where it lives, and its quirks.

    Args:
        name: first part of its handles.
        wire: the JSON protocol it speaks.
        provider_type: what the REST protocol calls this kind of provider.
        default_base_url: its own address; None when only the user knows it. `{region}` stands for
            the region.
        key_variable: environment variable of the key.
        base_url_variables: environment variables of another address, first set one wins.
        region_variable: environment variable of the region. It makes a vendor usable whose callers
            are known by IAM: AWS credentials are there for other things too.
        aliases: further handle prefixes that mean this vendor.
        needs_key: False for servers of one's own.
        path: appended to a base URL that has none.
        window_variable: environment variable that holds the context window in tokens.
        default_window: tokens assumed for a model nobody knows.
        serves_own_window: its GET /models tells the window it really serves; ask before guessing.
        running_path: where it lists running models with the window each was started with; a
            vendor that has this starts them with less than their names promise.
        max_tokens_field: how the output limit is spelled.
        lists_everything: its GET /models also names what is not for chat.
        openai_models: the model names are OpenAI's, so catalogue.openai_traits applies.
        responses: which models are called by the Responses API in place of chat completions:
            "reasoning" for those that catalogue.openai_traits says reason.
        wire_variable: environment variable that decides it: `auto` (as the row says), `chat` or
            `responses`.
        prompt_cache_key: knows the field of that name.
        wants_reasoning: reasoning has to be sent back as `reasoning_content`.
        thought_signatures: tool calls carry a signature that has to be sent back with them.
        binds_thinking: rejects thinking blocks after an edited prefix, unless told to drop them.
        too_long_phrases: see faults.py.
        text_calls: its models may write tool calls as text, or take no tools (text_calls.py).
        embed_batch: texts of one embeddings request.
    """

    name: str
    wire: Wire
    provider_type: str
    default_base_url: str | None = None
    key_variable: str | None = None
    base_url_variables: tuple[str, ...] = ()
    region_variable: str | None = None
    aliases: tuple[str, ...] = ()
    needs_key: bool = True
    path: str = ""
    window_variable: str | None = None
    default_window: int = 32_768
    serves_own_window: bool = False
    running_path: str = ""
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    lists_everything: bool = False
    openai_models: bool = False
    responses: Responses = "never"
    wire_variable: str | None = None
    prompt_cache_key: bool = False
    wants_reasoning: bool = False
    thought_signatures: bool = False
    binds_thinking: bool = False
    too_long_phrases: tuple[str, ...] = ()
    text_calls: bool = False
    embed_batch: int = 256

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Every first part of a handle that means this vendor."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A vendor that the environment or a tenant makes usable. The key never shows in a repr.

    Args:
        vendor: which one.
        base_url: where it is.
        api_key: "" where none is wanted.
        context_window: of all of its models, if somebody says so.
        region: where its callers are known by IAM.
        named: the first part of its handles, where a tenant chose one.
        is_tenants: the key is a tenant's: nothing else of the environment goes with it.
    """

    vendor: Vendor
    base_url: str
    api_key: str = field(default="", repr=False)
    context_window: int | None = None
    region: str = ""
    named: str = ""
    is_tenants: bool = False

    @property
    def shown_url(self) -> str:
        """Where it is, for callers: a name and a password in the address are the operator's."""
        return re.sub(r"//[^/]*@", "//", self.base_url)

    @property
    def is_at_home(self) -> bool:
        """Whether it is at the vendor's own address, as far as the vendor has one."""
        own_url = self.vendor.default_base_url
        return own_url is None or self.base_url == own_url.replace("{region}", self.region)

    @property
    def name(self) -> str:
        """The first part of its handles."""
        return self.named or self.vendor.name

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Every first part of a handle that means it."""
        vendors = self.vendor.prefixes
        return vendors if self.name in vendors else (self.name,)


VENDORS: tuple[Vendor, ...] = (
    Vendor(
        name="openai",
        wire="openai",
        provider_type="openai",
        default_base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        base_url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        # The retired server called the models of a custom base URL `openai-proxy/...`.
        aliases=("openai-proxy",),
        max_tokens_field="max_completion_tokens",
        lists_everything=True,
        openai_models=True,
        responses="reasoning",
        wire_variable="OPENAI_WIRE",
        prompt_cache_key=True,
        too_long_phrases=_VLLM_TOO_LONG,
    ),
    Vendor(
        name="anthropic",
        wire="anthropic",
        provider_type="anthropic",
        default_base_url="https://api.anthropic.com",
        key_variable="ANTHROPIC_API_KEY",
        base_url_variables=("ANTHROPIC_BASE_URL",),
        default_window=200_000,
        binds_thinking=True,
        too_long_phrases=("prompt is too long",),
    ),
    Vendor(
        name="ollama",
        wire="openai",
        provider_type="ollama",
        base_url_variables=("OLLAMA_BASE_URL",),
        needs_key=False,
        path="/v1",
        window_variable="OLLAMA_CONTEXT_LENGTH",
        # Ollama starts a model with 4,096 tokens on small machines and cuts the oldest messages
        # without a word; an agent's system prompt and tools alone need about 4,000.
        default_window=8_192,
        serves_own_window=True,
        text_calls=True,
        running_path="/api/ps",
    ),
    Vendor(
        name="vllm",
        wire="openai",
        provider_type="vllm",
        key_variable="VLLM_API_KEY",
        base_url_variables=("VLLM_API_BASE",),
        needs_key=False,
        path="/v1",
        serves_own_window=True,
        text_calls=True,
        too_long_phrases=_VLLM_TOO_LONG,
    ),
    Vendor(
        name="gemini",
        wire="openai",
        provider_type="google_ai",
        default_base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        key_variable="GEMINI_API_KEY",
        # The retired server's prefix for the same models.
        aliases=("google_ai",),
        default_window=1_000_000,
        lists_everything=True,
        thought_signatures=True,
        too_long_phrases=("exceeds the maximum number of tokens",),
        embed_batch=100,
    ),
    Vendor(
        name="openrouter",
        wire="openai",
        provider_type="openrouter",
        default_base_url="https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        serves_own_window=True,
        text_calls=True,
        too_long_phrases=_VLLM_TOO_LONG,
    ),
    Vendor(
        name="groq",
        wire="openai",
        provider_type="groq",
        default_base_url="https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        max_tokens_field="max_completion_tokens",
        lists_everything=True,
        serves_own_window=True,
    ),
    Vendor(
        name="deepseek",
        wire="openai",
        provider_type="deepseek",
        default_base_url="https://api.deepseek.com/v1",
        key_variable="DEEPSEEK_API_KEY",
        default_window=128_000,
        wants_reasoning=True,
        too_long_phrases=_VLLM_TOO_LONG,
    ),
    Vendor(
        name="azure",
        wire="openai",
        provider_type="azure",
        key_variable="AZURE_OPENAI_API_KEY",
        base_url_variables=("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_BASE_URL"),
        # The part of Azure OpenAI that speaks as OpenAI does and needs no version; a model is
        # the name of a deployment there.
        path="/openai/v1",
        default_window=128_000,
        max_tokens_field="max_completion_tokens",
        lists_everything=True,
        openai_models=True,
        responses="reasoning",
        wire_variable="AZURE_OPENAI_WIRE",
        prompt_cache_key=True,
        too_long_phrases=_VLLM_TOO_LONG,
    ),
    Vendor(
        name="bedrock",
        wire="bedrock",
        provider_type="bedrock",
        default_base_url="https://bedrock-runtime.{region}.amazonaws.com",
        base_url_variables=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
        region_variable="BEDROCK_REGION",
        needs_key=False,
        default_window=128_000,
        too_long_phrases=("input is too long", "prompt is too long", "too many input tokens"),
    ),
)


def configured(env: Mapping[str, str]) -> tuple[Provider, ...]:
    """The vendors that `env` makes usable, in the order of the table.

    A vendor is usable when its address is known and it has the key it needs. At another
    address than the vendor's own no key is needed, and what only the vendor knows is not sent.

    Raises:
        SettingsError: an address, a key, a region or a choice of the wire is none.
    """
    found = (_with_key(place, env) for place in _places(env))
    return tuple(provider for provider in found if provider is not None)


def reachable(env: Mapping[str, str]) -> tuple[Provider, ...]:
    """Where the vendors are that a key of somebody else's would make usable, without a key.

    Raises:
        SettingsError: as `configured`.
    """
    return tuple(place for place in _places(env) if place.vendor.key_variable)


def _problems(env: Mapping[str, str]) -> list[str]:
    """What is set, and would only be told by the first call, and there as a dead provider."""
    shapes = {
        name: shape
        for vendor in VENDORS
        for shape, names in (
            (_ADDRESS, vendor.base_url_variables),
            (_KEY, (vendor.key_variable,)),
            (_REGION, (vendor.region_variable,)),
        )
        for name in names
        if name is not None
    }
    return [
        f"{name} must be {_SHAPES[shape]} (the value is not shown)"
        for name, shape in shapes.items()
        if (value := env.get(name, "").strip()) and not re.fullmatch(shape, value)
    ]


def _places(env: Mapping[str, str]) -> list[Provider]:
    problems = _problems(env)
    if problems:
        raise SettingsError(problems)
    found = (_place(vendor, env) for vendor in VENDORS)
    return [place for place in found if place is not None]


def _place(vendor: Vendor, env: Mapping[str, str]) -> Provider | None:
    """A vendor whose address is known, without its key."""
    named = next((env[name].strip() for name in vendor.base_url_variables if env.get(name)), "")
    region = env.get(vendor.region_variable or "", "").strip()
    if vendor.region_variable and not region:
        return None
    own_url = (vendor.default_base_url or "").replace("{region}", region)
    base_url = _with_path(named or own_url, vendor.path)
    if own_url and base_url != own_url:
        vendor = _elsewhere(vendor)
    vendor = replace(vendor, responses=_responses(vendor, env))
    if not base_url:
        return None
    window = env.get(vendor.window_variable or "", "").strip()
    return Provider(
        vendor=vendor,
        base_url=base_url,
        context_window=int(window) if window.isdecimal() else None,
        region=region,
    )


def _with_key(place: Provider, env: Mapping[str, str]) -> Provider | None:
    key = env.get(place.vendor.key_variable or "", "").strip()
    return replace(place, api_key=key) if key or not place.vendor.needs_key else None


def _responses(vendor: Vendor, env: Mapping[str, str]) -> Responses:
    name = vendor.wire_variable or ""
    match env.get(name, "").strip().lower():
        case "" | "auto":
            return vendor.responses
        case "chat":
            return "never"
        case "responses":
            return "always"
        case other:
            raise SettingsError([f"{name}: {other!r} is none of auto, chat, responses"])


def _with_path(base_url: str, path: str) -> str:
    base_url = base_url.rstrip("/")
    return base_url + path if base_url and not urlsplit(base_url).path else base_url


def _elsewhere(vendor: Vendor) -> Vendor:
    """The row for a server that speaks the vendor's wire at another address."""
    return replace(
        vendor,
        needs_key=False,
        max_tokens_field="max_tokens",
        lists_everything=False,
        responses="never",
        prompt_cache_key=False,
        binds_thinking=False,
        serves_own_window=vendor.wire == "openai",
        text_calls=vendor.wire == "openai",
    )
