"""An agent's model as the protocol shows it, and the several ways to configure one."""

from __future__ import annotations

from typing import Any

import pytest
from support.agents import an_agent

from remanence.api.wire.model_fields import LlmConfigFields, ModelSettingsFields
from remanence.api.wire.models import (
    embedding_config_of_handle,
    llm_config_of,
    provider_type_of,
    settings_to_wire,
)
from remanence.core.exchange import ModelSettings
from remanence.errors import InvalidRequest

SETTINGS = [
    ModelSettings(),
    ModelSettings(temperature=0.0, max_output_tokens=5, parallel_tool_calls=False),
    ModelSettings(reasoning_effort="high"),
    ModelSettings(reasoning_effort="none"),
    ModelSettings(thinking_budget_tokens=4_096),
    ModelSettings(thinking_budget_tokens=4_096, reasoning_effort="low"),
    ModelSettings(response_format={"type": "json_schema", "json_schema": {"name": "x"}}),
]


@pytest.mark.parametrize("model", ["openai/m", "anthropic/m", "gemini/m", "ollama/m:7b"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_sent_back_as_they_are_shown_change_nothing(
    model: str, settings: ModelSettings
) -> None:
    shown = settings_to_wire(an_agent(model=model, model_settings=settings))

    sent_back = ModelSettingsFields.model_validate(shown)

    assert sent_back.applied_to(settings) == settings
    assert sent_back.applied_to(ModelSettings()) == settings


@pytest.mark.parametrize("settings", SETTINGS)
def test_llm_config_sent_back_as_it_is_shown_changes_nothing(settings: ModelSettings) -> None:
    agent = an_agent(model="openai/gpt", model_settings=settings)

    sent_back = LlmConfigFields.model_validate(llm_config_of(agent).model_dump())

    assert sent_back.to_handle() == "openai/gpt"
    assert sent_back.applied_to(settings) == settings


def test_settings_keep_what_has_no_behaviour_here() -> None:
    given = ModelSettingsFields.model_validate({"strict": True, "verbosity": "low"})
    agent = an_agent(extras={"model_settings": given.rest()})

    assert settings_to_wire(agent)["strict"] is True
    assert settings_to_wire(agent)["verbosity"] == "low"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"thinking": {"type": "enabled"}}, ModelSettings(thinking_budget_tokens=1_024)),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 9_000}, "effort": "max"},
            ModelSettings(thinking_budget_tokens=9_000, reasoning_effort="max"),
        ),
        ({"thinking": {"type": "disabled"}}, ModelSettings(reasoning_effort="none")),
        ({"temperature": None}, ModelSettings()),
    ],
)
def test_settings_are_understood(given: dict[str, Any], wanted: ModelSettings) -> None:
    assert ModelSettingsFields.model_validate(given).applied_to(ModelSettings()) == wanted


def test_thinking_switched_on_again_is_no_longer_off() -> None:
    off = ModelSettings(reasoning_effort="none")

    on = ModelSettingsFields.model_validate({"thinking": {"type": "enabled"}}).applied_to(off)

    assert on == ModelSettings(thinking_budget_tokens=1_024)


def test_llm_config_without_a_provider_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="llm_config: needs a handle"):
        LlmConfigFields(model="m").to_handle()


@pytest.mark.parametrize(
    ("handle", "provider_type"),
    [
        ("openai-proxy/m", "openai"),
        ("gemini/m", "google_ai"),
        ("anthropic/m", "anthropic"),
        ("my-own/m", "my-own"),
    ],
)
def test_provider_type_follows_from_the_handle(handle: str, provider_type: str) -> None:
    assert provider_type_of(handle) == provider_type


@pytest.mark.parametrize(
    ("handle", "dim"), [("openai/text-embedding-3-small", 1536), ("openai/nobody-knows", None)]
)
def test_old_form_of_an_embedding_model_says_how_long_its_vectors_are(
    handle: str, dim: int | None
) -> None:
    config = embedding_config_of_handle(handle)

    assert config is not None
    assert (config.handle, config.embedding_dim) == (handle, dim)
