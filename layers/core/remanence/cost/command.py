"""`remanence cost`: the bill of a month as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.cost.arithmetic import break_even_turns, monthly_bill, per_turn, total
from remanence.cost.prices import PLACE, READ_ON
from remanence.errors import SettingsError

if TYPE_CHECKING:
    from remanence.cost.arithmetic import Load
    from remanence.cost.prices import Prices

_MEMORIES_MB = (256, 512, 1024)
# Lambda's own bounds.
_LEAST_MB, _MOST_MB = 128, 10_240


def checked(load: Load) -> Load:
    """The load itself.

    Raises:
        SettingsError: what of it cannot be, all at once.
    """
    memory = f"--memory-mb must be from {_LEAST_MB} to {_MOST_MB}"
    checks = [
        (load.turns >= 0, "--turns must be at least 0"),
        (load.steps > 0, "--steps must be above 0"),
        (load.model_s >= 0, "--model-seconds must be at least 0"),
        (_LEAST_MB <= load.memory_mb <= _MOST_MB, memory),
        (0 <= load.background <= 1, "--background is a share, from 0 to 1"),
    ]
    problems = [text for holds, text in checks if not holds]
    if problems:
        raise SettingsError(problems)
    return load


def describe(load: Load, prices: Prices) -> str:
    """The table, the same month with other memory, and where a container becomes cheaper."""
    lines = monthly_bill(load, prices)
    rows = [f"  {line.name:<18}{line.product:>42}{line.dollars:>12,.2f}" for line in lines]
    return "\n".join(
        [
            f"{load.turns:,} turns a month, each of {load.steps:g} steps with {load.model_s:g} s of"
            f" model; {load.memory_mb} MB; {load.background:.0%} in the background",
            f"list prices in US dollars, {PLACE}, read on {READ_ON}; the model itself not included",
            "",
            *rows,
            f"  {'Total':<18}{'':>42}{total(lines):>12,.2f}",
            "",
            f"one turn more: ${per_turn(load, prices):.7f}",
            "the same month with other memory: "
            + ", ".join(f"{mb} MB ${_total_at(mb, load, prices):,.2f}" for mb in _MEMORIES_MB),
            _compared(load, prices),
        ]
    )


def _total_at(memory_mb: int, load: Load, prices: Prices) -> float:
    return total(monthly_bill(replace(load, memory_mb=memory_mb), prices))


def _compared(load: Load, prices: Prices) -> str:
    turns = break_even_turns(load, prices)
    container = f"an always-on container for ${prices.container_month:,.2f} a month"
    if turns is None:
        return f"{container} is never cheaper"
    return f"{container} is cheaper from {turns:,} turns a month on"
