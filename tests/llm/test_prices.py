"""What models cost, from the table and from the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remanence.core.exchange import Usage
from remanence.core.spend import FREE, Price
from remanence.errors import SettingsError
from remanence.llm.models import Models
from remanence.llm.prices import PRICES, known_price, read_prices
from remanence.llm.vendors import configured
from remanence.offers import build_models, read_settings
from remanence.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def test_cost_of_a_call_counts_each_kind_of_token_once() -> None:
    price = Price(input=3.0, cached=0.3, cache_write=3.75, output=15.0)
    usage = Usage(
        prompt_tokens=1_000,
        cached_input_tokens=600,
        cache_write_tokens=300,
        completion_tokens=10,
        reasoning_tokens=5,  # part of the completion
    )

    assert price.of(usage) == 100 * 3 + 600 * 0.3 + 300 * 3.75 + 10 * 15
    assert price.of_prompt(1_000) == 3_750


@pytest.mark.parametrize(
    ("vendor", "model", "is_known"),
    [
        ("openai", "gpt-5-mini", True),
        ("openai", "gpt-5-mini-2025-08-07", True),
        ("openai", "gpt-5-mini-turbo", False),
        ("openai", "gpt-5.9", False),
        ("anthropic", "claude-haiku-4-5-20251001", True),
        ("anthropic", "claude-3-5-haiku-latest", True),
        ("nobody", "gpt-5-mini", False),
    ],
)
def test_price_is_believed_for_exactly_its_model(
    vendor: str, model: str, *, is_known: bool
) -> None:
    assert (known_price(vendor, model) is not None) is is_known


def test_every_price_of_the_table_is_a_price() -> None:
    for rows in PRICES.values():
        for price in rows.values():
            assert 0 < (price.cached or price.input) <= price.input <= price.output


def test_price_of_a_vendor_is_not_believed_of_a_server_elsewhere() -> None:
    own = {"OPENAI_API_KEY": "key", "OLLAMA_BASE_URL": "http://127.0.0.1:1"}

    there = Models(configured(own))
    elsewhere = Models(configured(own | {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}))

    assert there.price("openai/gpt-4o") == Price(input=2.5, cached=1.25, output=10.0)
    assert there.price("ollama/anything") == FREE
    assert elsewhere.price("openai/gpt-4o") is None
    assert there.price("groq/gpt-4o") is None


@pytest.mark.parametrize(
    ("region", "model", "price"),
    [
        ("us-east-1", "amazon.nova-lite-v1:0", Price(input=0.06, cached=0.015, output=0.24)),
        ("us-east-1", "us.amazon.nova-lite-v1:0", Price(input=0.06, cached=0.015, output=0.24)),
        ("us-west-2", "us.meta.llama3-3-70b-instruct-v1:0", Price(input=0.72, output=0.72)),
        (
            "us-east-1",
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            Price(input=3.0, cached=0.3, cache_write=3.75, output=15.0),
        ),
        (
            "us-east-1",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0",
            Price(input=0.25, cached=0.025, cache_write=0.3125, output=1.25),
        ),
        ("eu-central-1", "eu.amazon.nova-lite-v1:0", None),
        ("us-east-1", "us.anthropic.claude-next-v1:0", None),
        ("us-east-1", "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2", None),
    ],
)
def test_bedrock_costs_what_is_published_for_the_united_states(
    region: str, model: str, price: Price | None
) -> None:
    models = Models(configured({"BEDROCK_REGION": region}))

    assert models.price(f"bedrock/{model}") == price


def test_bedrock_costs_a_tenth_more_where_the_newest_claude_stays_in_place() -> None:
    models = Models(configured({"BEDROCK_REGION": "us-east-1"}))

    price = models.price("bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0")

    assert price is not None
    assert (price.input, price.output) == pytest.approx((1.1, 5.5))


def test_price_of_a_bedrock_model_is_the_users_to_say_anywhere() -> None:
    env = {
        "BEDROCK_REGION": "eu-central-1",
        "REMANENCE_PRICES": '{"bedrock/eu.amazon.nova-lite-v1:0": {"input": 1, "output": 2}}',
    }
    models = build_models(read_settings(env), env, may_ask=False)

    assert models.price("bedrock/eu.amazon.nova-lite-v1:0") == Price(input=1, output=2)
    assert models.price("bedrock/eu.amazon.nova-pro-v1:0") is None


def test_user_overrides_the_table_in_place_or_by_a_file(tmp_path: Path) -> None:
    text = '{"openai/gpt-4o": {"input": 1, "output": 2}, "openai/*": {"input": 0, "output": 0}}'
    file = tmp_path / "prices.json"
    file.write_text(text)

    for given in (text, str(file)):
        env = {"OPENAI_API_KEY": "key", "REMANENCE_PRICES": given}
        models = build_models(read_settings(env), env, may_ask=False)
        assert models.price("openai/gpt-4o") == Price(input=1, output=2)
        assert models.price("openai/gpt-5") == FREE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{not json", "is not JSON"),
        ('{"gpt-4o": {"input": 1, "output": 2}}', "provider/model"),
        ('{"openai/x": {"input": 1}}', "input and output are required"),
        ('{"openai/x": {"input": 1, "output": 2, "per": 1}}', "must be an object of"),
        ('{"openai/x": {"input": 1, "output": "two"}}', "output must be dollars"),
        ('{"openai/x": {"input": -1, "output": 2}}', "input must be dollars"),
    ],
)
def test_prices_that_cannot_be_read_are_named(given: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_prices(given)


def test_prices_that_cannot_be_read_end_the_start_with_the_other_problems() -> None:
    with pytest.raises(SettingsError, match="names a file that cannot be read"):
        read_settings({"REMANENCE_PRICES": "/nowhere/prices.json"})
    assert Settings().prices == ""
