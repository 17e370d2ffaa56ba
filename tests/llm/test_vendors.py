"""What the environment makes usable."""

from __future__ import annotations

import pytest

from remanence.errors import SettingsError
from remanence.llm.faults import Fault, to_error
from remanence.llm.vendors import VENDORS, configured


def test_empty_environment_has_no_provider() -> None:
    assert configured({}) == ()
    assert configured({"OPENAI_API_KEY": "", "OLLAMA_BASE_URL": ""}) == ()


@pytest.mark.parametrize(
    ("env", "name", "base_url", "key"),
    [
        ({"OPENAI_API_KEY": " k "}, "openai", "https://api.openai.com/v1", "k"),
        ({"OPENAI_BASE_URL": "http://x:1/v1/"}, "openai", "http://x:1/v1", ""),
        ({"OPENAI_API_BASE": "http://x:1/v1"}, "openai", "http://x:1/v1", ""),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic", "https://api.anthropic.com", "k"),
        ({"ANTHROPIC_BASE_URL": "http://x:1"}, "anthropic", "http://x:1", ""),
        ({"OLLAMA_BASE_URL": "http://x:1"}, "ollama", "http://x:1/v1", ""),
        ({"OLLAMA_BASE_URL": "http://x:1/v1/"}, "ollama", "http://x:1/v1", ""),
        ({"VLLM_API_BASE": "http://x:1"}, "vllm", "http://x:1/v1", ""),
        ({"VLLM_API_BASE": "http://x/p", "VLLM_API_KEY": "k"}, "vllm", "http://x/p", "k"),
        (
            {"GEMINI_API_KEY": "k"},
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "k",
        ),
        ({"OPENROUTER_API_KEY": "k"}, "openrouter", "https://openrouter.ai/api/v1", "k"),
        ({"GROQ_API_KEY": "k"}, "groq", "https://api.groq.com/openai/v1", "k"),
        ({"DEEPSEEK_API_KEY": "k"}, "deepseek", "https://api.deepseek.com/v1", "k"),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/", "AZURE_OPENAI_API_KEY": "k"},
            "azure",
            "https://x.openai.azure.com/openai/v1",
            "k",
        ),
        (
            {"BEDROCK_REGION": "eu-west-1"},
            "bedrock",
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "",
        ),
        (
            {"BEDROCK_REGION": "eu-west-1", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://x:1"},
            "bedrock",
            "http://x:1",
            "",
        ),
    ],
)
def test_variables_make_their_vendor_usable(
    env: dict[str, str], name: str, base_url: str, key: str
) -> None:
    (provider,) = configured(env)

    assert (provider.vendor.name, provider.base_url, provider.api_key) == (name, base_url, key)


def test_key_is_in_no_repr() -> None:
    assert "secret" not in repr(configured({"OPENAI_API_KEY": "secret"}))


def test_own_address_written_out_is_still_the_vendors_own() -> None:
    env = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://api.openai.com/v1/"}

    assert configured(env) == configured({"OPENAI_API_KEY": "k"})


def test_another_address_is_not_sent_what_only_the_vendor_knows() -> None:
    vendor = configured({"OPENAI_BASE_URL": "http://x:1/v1", "OPENAI_API_KEY": "k"})[0].vendor

    assert not vendor.prompt_cache_key
    assert vendor.max_tokens_field == "max_tokens"
    assert vendor.serves_own_window
    assert not vendor.lists_everything


@pytest.mark.parametrize(("value", "window"), [("65536", 65_536), ("", None), ("many", None)])
def test_window_that_ollama_was_told_is_read(value: str, window: int | None) -> None:
    env = {"OLLAMA_BASE_URL": "http://x:1", "OLLAMA_CONTEXT_LENGTH": value}

    assert configured(env)[0].context_window == window


def test_prefixes_are_unique() -> None:
    prefixes = [prefix for vendor in VENDORS for prefix in vendor.prefixes]

    assert len(prefixes) == len(set(prefixes))
    assert {"openai-proxy", "google_ai"} <= set(prefixes)


def test_azure_needs_its_key_and_is_called_as_openai_is() -> None:
    endpoint = {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"}

    assert configured(endpoint) == ()
    vendor = configured(endpoint | {"AZURE_OPENAI_API_KEY": "k"})[0].vendor
    assert (vendor.max_tokens_field, vendor.responses) == ("max_completion_tokens", "reasoning")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OLLAMA_BASE_URL", "localhost:11434"),
        ("OLLAMA_BASE_URL", "http://[::1"),
        ("OPENAI_BASE_URL", '"http://127.0.0.1:1/v1"'),
        ("OPENAI_API_KEY", '"sk-0123456789"'),
        ("OPENAI_API_KEY", "sk-0123 456789"),
        ("ANTHROPIC_API_KEY", "sk-ü"),
        ("BEDROCK_REGION", "example.org/#"),
    ],
)
def test_what_no_call_could_be_made_with_is_told_at_start(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as told:
        configured({name: value, "GROQ_API_KEY": "'quoted'"})

    assert value not in str(told.value)
    assert len(told.value.problems) == 2  # all at once


@pytest.mark.parametrize(
    "address", ["http://[::1]:11434", " http://ollama:11434/ ", "https://me:word@example.org/v1"]
)
def test_other_addresses_are_taken(address: str) -> None:
    assert configured({"OLLAMA_BASE_URL": address})


def test_a_password_in_an_address_is_shown_to_nobody() -> None:
    provider = configured({"OPENAI_BASE_URL": "https://me:p@ss@example.org:8443/v1"})[0]

    told = str(to_error(Fault(kind="connection"), provider))

    assert provider.shown_url == "https://example.org:8443/v1"
    assert "openai at https://example.org:8443/v1" in told
    assert "p@ss" in provider.base_url
