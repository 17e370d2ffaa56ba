"""Money and tokens: what a model call will cost at most, what it has cost, what it may cost.

Path: engine.spend -> here; db.spend keeps the sums. Pure.
Dollars are whole micro-dollars; a price in dollars per million tokens is micro-dollars per token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

    from remanence.core.exchange import Usage

Period = Literal["run", "day", "total"]
Unit = Literal["tokens", "usd_micros"]
Scope = Literal["agent", "organization"]

USD_MICROS = 1_000_000
# How much more than predicted a prompt is reckoned at before its call: the prediction is wrong by
# a few per cent, and a cap is not to be passed.
PROMPT_MARGIN = 1.1
# An answer that has less room than this is not worth its prompt: the call is refused.
LEAST_ANSWER_TOKENS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in micro-dollars per token (dollars per million tokens).

    `cached` is the price of a prompt token read from the provider's cache, `cache_write` of one
    that is written to it; None: as any other.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def of(self, usage: Usage) -> int:
        """What a call has cost, rounded up."""
        plain = usage.prompt_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        return math.ceil(
            max(plain, 0) * self.input
            + usage.cached_input_tokens * (self.input if self.cached is None else self.cached)
            + usage.cache_write_tokens * self._writing
            + usage.completion_tokens * self.output
        )

    def of_prompt(self, tokens: int) -> int:
        """What a prompt costs at most: nothing of it cached, all of it written to the cache."""
        return math.ceil(tokens * max(self.input, self._writing))

    @property
    def _writing(self) -> float:
        return self.input if self.cache_write is None else self.cache_write


FREE = Price(input=0.0, output=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What may be used in one period; None: any amount."""

    tokens: int | None = None
    usd_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """What an agent or an organization may use in one run, in one day (UTC), and in all."""

    run: Limit = Limit()
    day: Limit = Limit()
    total: Limit = Limit()

    @property
    def in_dollars(self) -> bool:
        """Whether any of them needs a price."""
        return any(getattr(self, spec.name).usd_micros is not None for spec in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a call is reckoned at before it is made.

    Args:
        handle: the model it goes to.
        prompt_tokens: at most.
        answer_tokens: what the answer may have, if the caps leave so much.
        price: of the model; None: not known.
    """

    handle: str
    prompt_tokens: int
    answer_tokens: int
    price: Price | None

    @property
    def prompt_usd_micros(self) -> int | None:
        """What the prompt costs at most; None: nobody knows."""
        return None if self.price is None else self.price.of_prompt(self.prompt_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A call may be made, with an answer of at most `answer_tokens`."""

    answer_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A call may not be made: it could pass a cap.

    `used` is what was used of the cap in its period, `reserved` what calls under way may use yet.
    """

    scope: Scope
    period: Period
    unit: Unit
    limit: int
    used: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """A call may not be made: a cap is in dollars, and nobody knows what the model costs."""

    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What a step has to pay for, as it is stored in its receipt.

    `usd_micros` is None where no price is known. `is_reserved`: it was reckoned against caps
    before the call, and what was reserved is to be given back.
    """

    model: str
    predicted_tokens: int
    predicted_usd_micros: int | None
    usd_micros: int | None
    is_reserved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """A sum of calls; what it is summed over is None.

    `unpriced_tokens` are those of calls whose model has no known price: they are not in
    `usd_micros`.
    """

    day: date | None
    agent_id: str | None
    model: str | None
    calls: int
    usage: Usage
    usd_micros: int
    unpriced_tokens: int


def refusal_message(refused: Refused | Unpriced, forecast: Forecast, agent_id: str) -> str:
    """Why a call is not made, and what to do about it."""
    if isinstance(refused, Unpriced):
        return unpriced_message(refused, forecast.handle, agent_id)
    period = {"run": "per run", "day": "per day", "total": "in all"}[refused.period]
    held = f", {_amount(refused.reserved, refused.unit)} held by calls under way"
    wait = ", or wait until 00:00 UTC" if refused.period == "day" else ""
    return (
        f"the {refused.scope}'s cap of {_amount(refused.limit, refused.unit)} {period} has no room"
        f" for this call: {_amount(refused.used, refused.unit)} used"
        f"{held if refused.reserved else ''}, and its prompt of about {forecast.prompt_tokens}"
        f" tokens to {forecast.handle} needs {_needed(forecast, refused.unit)} before any answer;"
        f" raise the cap with PUT {_route(refused.scope, agent_id)}{wait}"
    )


def unpriced_message(refused: Unpriced, handle: str, agent_id: str) -> str:
    """Why a cap in dollars cannot be kept."""
    return (
        f"the {refused.scope}'s cap is in dollars, and no price of {handle} is known: name it in"
        f" REMANENCE_PRICES, or cap tokens instead (PUT {_route(refused.scope, agent_id)})"
    )


def _route(scope: Scope, agent_id: str) -> str:
    return f"/v1/usage/caps/{agent_id}" if scope == "agent" else "/v1/usage/caps"


def _needed(forecast: Forecast, unit: Unit) -> str:
    amount = forecast.prompt_tokens if unit == "tokens" else forecast.prompt_usd_micros or 0
    return _amount(amount, unit)


def _amount(amount: int, unit: Unit) -> str:
    if unit == "tokens":
        return f"{amount} tokens"
    return f"${amount / USD_MICROS:.6f}".rstrip("0").rstrip(".")
