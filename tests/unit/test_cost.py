"""The calculator: its arithmetic by hand, its page, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.process import run_cli

from remanence.cost.arithmetic import Load, break_even_turns, monthly_bill, per_turn, total
from remanence.cost.command import describe
from remanence.cost.prices import Prices, with_overrides
from remanence.errors import SettingsError

PAGE = Path(__file__).parents[2] / "infra" / "COST.md"


def line(load: Load, name: str) -> float:
    (found,) = [line.dollars for line in monthly_bill(load, Prices()) if line.name == name]
    return found


def test_time_is_turns_by_steps_by_seconds_by_memory() -> None:
    load = Load(turns=1_000_000, steps=2, model_s=4.1, memory_mb=512)

    # 1,000,000 x 2 x 4.15 s x 0.5 GB = 4,150,000 GB-s
    assert line(load, "Lambda, time") == pytest.approx(4_150_000 * 0.0000133334)
    assert line(load, "API Gateway") == pytest.approx(3.5)


def test_turns_in_the_background_ring_three_requests_a_step() -> None:
    load = Load(turns=1_000_000, steps=2, background=0.5)

    assert line(load, "SQS, doorbells") == pytest.approx(1_000_000 * 3 * 0.0000005)
    assert line(load, "Lambda, requests") == pytest.approx(2_000_000 * 0.0000002)
    assert line(replace(load, background=0.0), "SQS, doorbells") == 0


def test_total_is_what_is_fixed_and_what_each_turn_adds() -> None:
    load, prices = Load(turns=250_000, background=0.2), Prices()
    fixed = total(monthly_bill(replace(load, turns=0), prices))

    whole = total(monthly_bill(load, prices))

    assert whole == pytest.approx(fixed + 250_000 * per_turn(load, prices))


@pytest.mark.parametrize("memory_mb", [256, 512, 2048])
def test_at_the_break_even_both_cost_the_same(memory_mb: int) -> None:
    load, prices = Load(memory_mb=memory_mb), replace(Prices(), container_month=200.0)
    turns = break_even_turns(load, prices)
    assert turns is not None

    on_lambda = total(monthly_bill(replace(load, turns=turns), prices))

    assert on_lambda == pytest.approx(200.0 + prices.database_month, abs=0.01)


def test_a_container_is_cheaper_at_once_or_never() -> None:
    free = with_overrides(
        [
            f"{name}=0"
            for name in (
                "lambda_gb_s",
                "lambda_request",
                "api_request",
                "sqs_request",
                "log_gb",
                "trace",
            )
        ]
    )

    assert break_even_turns(Load(), replace(Prices(), container_month=1.0)) == 0
    assert break_even_turns(Load(), free) is None


def test_prices_that_are_wrong_are_all_named() -> None:
    with pytest.raises(SettingsError) as raised:
        with_overrides(["api_requests=1", "trace=much", "log_gb=-1", "alarm_month=0.2"])

    assert len(raised.value.problems) == 3
    assert "api_request," in str(raised.value)


def test_command_says_what_it_cannot_use() -> None:
    done = run_cli("cost", "--turns", "-1", "--background", "7")

    assert done.returncode == 1
    assert "--turns" in done.stderr
    assert "--background" in done.stderr


def test_command_takes_a_price() -> None:
    done = run_cli("cost", "--price", "database_month=0", "--turns", "0")

    assert done.returncode == 0
    assert re.search(r"Database +1 month x \$0 +0\.00", done.stdout)


def test_page_shows_what_the_command_prints(rewrite: bool) -> None:
    shown = "```\n" + describe(Load(turns=1_000_000, model_s=4.1), Prices()) + "\n```"
    page = PAGE.read_text()
    if rewrite:
        page = re.sub(r"```\n1,000,000 turns.*?```", lambda _: shown, page, flags=re.DOTALL)
        PAGE.write_text(page)

    assert shown in page
