"""What models cost, by vendor and name, and what the user says they cost.

Path: models.Models.price -> here; offers reads REMANENCE_PRICES with `read_prices`.
Pure. A price is believed only for exactly the model it was published for (or a dated version of
it): a guess from a longer name would make a cap in dollars a lie.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields
from typing import TYPE_CHECKING, cast

from remanence.core.spend import FREE, Price
from remanence.errors import SettingsError
from remanence.llm.bedrock_models import plain_name

if TYPE_CHECKING:
    from collections.abc import Mapping

# The month of the published prices that the table holds; what changed since, or is missing, is the
# user's to say (REMANENCE_PRICES).
PRICED_IN = "2026-02"

# A version of a model that costs what the model costs: a date, or the newest one.
_VERSION = re.compile(r"-(?:latest|\d{8}|\d{4}-\d\d-\d\d)$")
_BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)?$")


def _openai(plain: float, cached: float, output: float) -> Price:
    return Price(input=plain, cached=cached, output=output)


def _claude(plain: float, output: float) -> Price:
    # A read costs a tenth of the input, a write (kept for five minutes) a quarter more than it.
    return Price(input=plain, cached=plain / 10, cache_write=plain * 1.25, output=output)


_OPENAI = {
    "gpt-4o": _openai(2.5, 1.25, 10.0),
    "gpt-4o-mini": _openai(0.15, 0.075, 0.6),
    "gpt-4.1": _openai(2.0, 0.5, 8.0),
    "gpt-4.1-mini": _openai(0.4, 0.1, 1.6),
    "gpt-4.1-nano": _openai(0.1, 0.025, 0.4),
    "gpt-5": _openai(1.25, 0.125, 10.0),
    "gpt-5-mini": _openai(0.25, 0.025, 2.0),
    "gpt-5-nano": _openai(0.05, 0.005, 0.4),
    "gpt-5.1": _openai(1.25, 0.125, 10.0),
    "o1": _openai(15.0, 7.5, 60.0),
    "o3": _openai(2.0, 0.5, 8.0),
    "o3-mini": _openai(1.1, 0.55, 4.4),
    "o4-mini": _openai(1.1, 0.275, 4.4),
}
_ANTHROPIC = {
    "claude-3-haiku": _claude(0.25, 1.25),
    "claude-3-5-haiku": _claude(0.8, 4.0),
    "claude-3-7-sonnet": _claude(3.0, 15.0),
    "claude-haiku-4-5": _claude(1.0, 5.0),
    "claude-sonnet-4": _claude(3.0, 15.0),
    "claude-sonnet-4-5": _claude(3.0, 15.0),
    "claude-opus-4": _claude(15.0, 75.0),
    "claude-opus-4-1": _claude(15.0, 75.0),
    "claude-opus-4-5": _claude(5.0, 25.0),
}
_GEMINI = {
    "gemini-2.5-flash": Price(input=0.3, cached=0.03, output=2.5),
    "gemini-2.5-flash-lite": Price(input=0.1, cached=0.01, output=0.4),
}
# On demand in the regions of the United States, as lists of prices gave it in 2026-11; elsewhere it
# differs. Compare aws.amazon.com/bedrock/pricing before a cap in dollars is to hold to the cent.
# Nova reads its cache at a quarter of the input, and writes it for nothing more.
_NOVA = {
    "nova-micro": Price(input=0.035, cached=0.00875, output=0.14),
    "nova-lite": Price(input=0.06, cached=0.015, output=0.24),
    "nova-pro": Price(input=0.8, cached=0.2, output=3.2),
}
_LLAMA = {"llama3-3-70b-instruct": Price(input=0.72, output=0.72)}
# Claude costs there what its maker charges; since these, a tenth more unless it may run anywhere.
_DEARER_IN_PLACE = frozenset({"claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"})
_IN_PLACE = 1.1
_GROQ = {
    "llama-3.3-70b-versatile": Price(input=0.59, output=0.79),
    "llama-3.1-8b-instant": Price(input=0.05, output=0.08),
}

# By vendor; a vendor whose models run on one's own machine costs nothing per token.
PRICES: Mapping[str, Mapping[str, Price]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "anthropic": _ANTHROPIC,
    "gemini": _GEMINI,
    "groq": _GROQ,
    "bedrock": {**_ANTHROPIC, **_NOVA, **_LLAMA},
}
FREE_VENDORS = frozenset({"ollama", "vllm"})


def known_price(vendor: str, model: str, region: str = "") -> Price | None:
    """What is published for this model, or None; `region` where the vendor's prices differ."""
    if vendor in FREE_VENDORS:
        return FREE
    if vendor == "bedrock":
        return _bedrock_price(model, region)
    return PRICES.get(vendor, {}).get(_VERSION.sub("", model))


def _bedrock_price(model: str, region: str) -> Price | None:
    name = _VERSION.sub("", _BEDROCK_VERSION.sub("", plain_name(model)))
    price = PRICES["bedrock"].get(name) if region.startswith("us-") else None
    is_anywhere = model.rpartition("/")[2].startswith("global.")
    if price is None or is_anywhere or name not in _DEARER_IN_PLACE:
        return price
    return _claude(price.input * _IN_PLACE, price.output * _IN_PLACE)


def user_price(prices: Mapping[str, Price], handle: str) -> Price | None:
    """What the user says a model costs: by its handle, or by `vendor/*`; None: nothing."""
    vendor = handle.partition("/")[0]
    return prices.get(handle) or prices.get(f"{vendor}/*")


def read_prices(text: str) -> Mapping[str, Price]:
    """Prices as JSON: `{"vendor/model": {"input": 0.25, "output": 2.0, "cached": 0.025}}`.

    In dollars per million tokens; `vendor/*` speaks for every other model of the vendor.

    Raises:
        SettingsError: it is something else; says where.
    """
    if not text.strip():
        return {}
    try:
        given: object = json.loads(text)
    except ValueError as error:
        raise SettingsError([f"REMANENCE_PRICES is not JSON: {error}"]) from None
    if not isinstance(given, dict):
        raise SettingsError(["REMANENCE_PRICES must be an object of prices by provider/model"])
    rows = cast("dict[str, object]", given)
    problems = [problem for handle, row in rows.items() if (problem := _problem(handle, row))]
    if problems:
        raise SettingsError(problems)
    return {handle: Price(**cast("dict[str, float]", row)) for handle, row in rows.items()}


def _problem(handle: str, row: object) -> str | None:
    names = [spec.name for spec in fields(Price)]
    where = f"REMANENCE_PRICES[{handle!r}]"
    if not all(handle.partition("/")):
        return f"{where}: a model is named as provider/model, or provider/*"
    if not isinstance(row, dict) or not {"input", "output"} <= row.keys() <= set(names):
        return f"{where} must be an object of {', '.join(names)}; input and output are required"
    bad = [name for name, amount in cast("dict[str, object]", row).items() if not _is_price(amount)]
    return (
        f"{where}: {', '.join(bad)} must be dollars per million tokens, 0 or more" if bad else None
    )


def _is_price(amount: object) -> bool:
    if isinstance(amount, bool) or not isinstance(amount, int | float):
        return False
    return math.isfinite(amount) and amount >= 0
