"""What was used, and the caps on it, as HTTP shows them. The official SDKs have no types for it.

Path: routes/usage.py -> here -> core.spend. Money is in dollars here, and in micro-dollars inside.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from remanence.core.exchange import Usage
from remanence.core.spend import USD_MICROS, Caps, Limit, UsageRow

# A cap above this is none, and its micro-dollars would not fit the database.
_MOST_USD = 1e12
_MOST_TOKENS = 2**62


class LimitFields(BaseModel):
    """What may be used in one period; null: any amount."""

    model_config = ConfigDict(extra="forbid")

    tokens: int | None = Field(
        default=None, ge=0, le=_MOST_TOKENS, description="Prompt and completion together."
    )
    usd: float | None = Field(default=None, ge=0, le=_MOST_USD, description="Dollars.")


class CapsFields(BaseModel):
    """Caps of an agent or of the organization; what is left out is not capped."""

    model_config = ConfigDict(extra="forbid")

    run: LimitFields | None = Field(default=None, description="In each run.")
    day: LimitFields | None = Field(default=None, description="In each day (UTC).")
    total: LimitFields | None = Field(default=None, description="In all.")

    def to_core(self) -> Caps:
        """The caps that are asked for."""
        return Caps(run=_limit(self.run), day=_limit(self.day), total=_limit(self.total))


def caps_to_wire(caps: Caps) -> CapsFields:
    """Caps as HTTP shows them."""
    return CapsFields(
        run=_limit_to_wire(caps.run),
        day=_limit_to_wire(caps.day),
        total=_limit_to_wire(caps.total),
    )


class UsageSum(BaseModel):
    """A sum of model calls."""

    calls: int = Field(description="Calls that used tokens.")
    prompt_tokens: int = Field(description="Cached ones included.")
    completion_tokens: int = Field(description="Reasoning included.")
    total_tokens: int = Field(description="Prompt and completion.")
    cached_input_tokens: int = Field(description="Read from the provider's cache.")
    cache_write_tokens: int = Field(description="Written to it.")
    reasoning_tokens: int = Field(description="Thought, not said.")
    usd: float = Field(description="Of the calls whose price was known.")
    unpriced_tokens: int = Field(description="Of the calls whose price was not known.")


class UsageItem(UsageSum):
    """A sum of model calls, and what they have in common; null: not told apart."""

    day: date | None = Field(description="UTC.")
    agent_id: str | None = Field(description="Who called.")
    model: str | None = Field(description="Who answered: provider/model.")


class UsageReport(BaseModel):
    """What was used: one item for each of what is told apart, and all of them together."""

    items: list[UsageItem] = Field(description="One for each group that was asked for.")
    total: UsageSum = Field(description="All that was found, together.")


def report_of(rows: Sequence[UsageRow]) -> UsageReport:
    """The ledger's rows and their sum."""
    total = UsageSum(
        **_sum(
            sum((row.usage for row in rows), Usage()),
            calls=sum(row.calls for row in rows),
            usd_micros=sum(row.usd_micros for row in rows),
            unpriced_tokens=sum(row.unpriced_tokens for row in rows),
        )
    )
    return UsageReport(items=[_item(row) for row in rows], total=total)


def _item(row: UsageRow) -> UsageItem:
    sums = _sum(
        row.usage,
        calls=row.calls,
        usd_micros=row.usd_micros,
        unpriced_tokens=row.unpriced_tokens,
    )
    return UsageItem(day=row.day, agent_id=row.agent_id, model=row.model, **sums)


def _sum(usage: Usage, *, calls: int, usd_micros: int, unpriced_tokens: int) -> dict[str, Any]:
    return {
        **asdict(usage),
        "total_tokens": usage.total_tokens,
        "calls": calls,
        "usd": usd_micros / USD_MICROS,
        "unpriced_tokens": unpriced_tokens,
    }


def _limit(given: LimitFields | None) -> Limit:
    if given is None:
        return Limit()
    usd_micros = None if given.usd is None else round(given.usd * USD_MICROS)
    return Limit(tokens=given.tokens, usd_micros=usd_micros)


def _limit_to_wire(limit: Limit) -> LimitFields | None:
    if limit == Limit():
        return None
    usd = None if limit.usd_micros is None else limit.usd_micros / USD_MICROS
    return LimitFields(tokens=limit.tokens, usd=usd)
