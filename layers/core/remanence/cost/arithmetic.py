"""From a month's turns to its bill, each line with the product it comes from. Pure.

Path: command.py -> monthly_bill, break_even_turns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.cost.prices import Prices

# What a step adds to its model call: load, compile, apply, commit, logs. Seconds.
STEP_OVERHEAD_S = 0.05
# Storing a background message: one short call of the Api function. Seconds.
ENQUEUE_S = 0.1
# Ringing, receiving and deleting one doorbell.
SQS_REQUESTS_PER_STEP = 3
# Lambda asks an empty queue with five pollers, each waiting for up to 20 s.
SQS_IDLE_REQUESTS = 5 * 3 * 60 * 24 * 30
# The schedule: every five minutes, for about a second.
SWEEPS, SWEEP_S = 12 * 24 * 30, 1.0
# The log lines of a step and its metrics, bytes.
LOG_BYTES_PER_STEP = 2_000
# Beyond the first each second, Lambda records one trace in twenty.
TRACED_SHARE = 0.05
# Metrics by function, as the log lines declare them (aws/watch.py, aws/observe.py), and the alarms.
METRICS, ALARMS = 40, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of a deployment in a month.

    `model_s` is one model call; `background` the share (0..1) of turns nobody waits for.
    """

    turns: int = 100_000
    steps: float = 2.0
    model_s: float = 4.0
    memory_mb: int = 512
    background: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the bill. `is_fixed`: it is paid without any turn, too."""

    name: str
    product: str
    dollars: float
    is_fixed: bool = False


def monthly_bill(load: Load, prices: Prices) -> list[Line]:
    """Every line of the month on Lambda."""
    gb = load.memory_mb / 1024
    steps = load.turns * load.steps
    step_s = load.model_s + STEP_OVERHEAD_S
    enqueued = load.turns * load.background
    background_steps = steps * load.background
    seconds = steps * step_s + enqueued * ENQUEUE_S
    requests = load.turns + background_steps
    bells = background_steps * SQS_REQUESTS_PER_STEP
    log_gb = steps * LOG_BYTES_PER_STEP / 1e9
    traces = load.turns * TRACED_SHARE
    sweep_gb_s = SWEEPS * SWEEP_S * gb
    return [
        _line("Lambda, time", seconds * gb, "GB-s", prices.lambda_gb_s),
        _line("Lambda, requests", requests, "", prices.lambda_request),
        _line("API Gateway", load.turns, "requests", prices.api_request),
        _line("SQS, doorbells", bells, "requests", prices.sqs_request),
        _line("Logs", log_gb, "GB", prices.log_gb),
        _line("Traces", traces, "", prices.trace),
        _line("Sweep", sweep_gb_s, "GB-s", prices.lambda_gb_s, is_fixed=True),
        _line("SQS, listening", SQS_IDLE_REQUESTS, "requests", prices.sqs_request, is_fixed=True),
        _line("Metrics", METRICS, "", prices.metric_month, is_fixed=True),
        _line("Alarms", ALARMS, "", prices.alarm_month, is_fixed=True),
        _line("Database", 1, "month", prices.database_month, is_fixed=True),
    ]


def total(lines: list[Line]) -> float:
    """Dollars of all lines."""
    return sum(line.dollars for line in lines)


def per_turn(load: Load, prices: Prices) -> float:
    """Dollars that one turn more adds."""
    lines = monthly_bill(replace(load, turns=1), prices)
    return sum(line.dollars for line in lines if not line.is_fixed)


def break_even_turns(load: Load, prices: Prices) -> int | None:
    """From how many turns a month an always-on container is cheaper; None: it never is.

    Both need the database; the container needs neither queue, schedule nor Lambda's metrics.
    """
    saved = sum(
        line.dollars
        for line in monthly_bill(load, prices)
        if line.is_fixed and line.name != "Database"
    )
    turn = per_turn(load, prices)
    if turn <= 0:
        return None
    return max(0, round((prices.container_month - saved) / turn))


def _line(name: str, amount: float, unit: str, price: float, *, is_fixed: bool = False) -> Line:
    product = f"{_said(amount)} {unit}".rstrip() + f" x ${price:.10f}".rstrip("0").rstrip(".")
    return Line(name=name, product=product, dollars=amount * price, is_fixed=is_fixed)


def _said(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:,.2f}"
