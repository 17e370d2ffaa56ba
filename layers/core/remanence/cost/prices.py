"""List prices, in US dollars, with the day they were read. All of them may be replaced.

Beside the main path: `arithmetic.py` multiplies them. Without free tiers, taxes and what the model
provider takes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from remanence.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

READ_ON = "2026-11-28"
PLACE = "us-east-1, arm64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of one unit each; the comment says of what."""

    lambda_gb_s: float = 0.0000133334  # a GB of memory for a second
    lambda_request: float = 0.0000002
    api_request: float = 0.0000035  # REST API
    sqs_request: float = 0.0000005  # FIFO
    log_gb: float = 0.50  # taken in; a month's storage is a sixteenth of it
    trace: float = 0.000005  # X-Ray, recorded
    metric_month: float = 0.30  # one custom metric for a month
    alarm_month: float = 0.10
    database_month: float = 25.0  # Supabase Pro with its smallest computer
    container_month: float = 30.85  # Fargate, 0.5 vCPU and 1 GB for 730 h, and a load balancer


def with_overrides(given: Sequence[str]) -> Prices:
    """The prices, those of `name=value` replaced.

    Raises:
        SettingsError: no such price, or not a number of at least 0; all of them at once.
    """
    names = [field.name for field in fields(Prices)]
    problems: list[str] = []
    changes: dict[str, float] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in names:
            problems.append(f"--price {text}: there is no price {name!r}; {', '.join(names)}")
        elif (price := _number(value)) is None:
            problems.append(f"--price {text}: the value must be a number of at least 0")
        else:
            changes[name] = price
    if problems:
        raise SettingsError(problems)
    return replace(Prices(), **changes)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
