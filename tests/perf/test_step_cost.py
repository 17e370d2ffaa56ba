"""The budget of a step, beside a hand-written one; `python -m support.step_cost` prints it all.

`make perf ARGS='tests/perf/test_step_cost.py -s'`, or `pytest -m perf ... -s`.
"""

from __future__ import annotations

import pytest
from support.meter import durable_postgres
from support.step_cost import measure

# Of CPU: what the client may take, and Postgres for ours against the floor that keeps as much
# (1.5 to 1.9 on a quiet machine, 2026-11).
CLIENT_MS = 5.0
POSTGRES_RATIO = 2.5


@pytest.mark.perf
@pytest.mark.parametrize("conversations", [1, 1_000])
def test_step_stays_near_the_least_it_could_cost(conversations: int) -> None:
    with durable_postgres() as pg:
        figures = measure(pg, conversations=conversations, steps=1_000)

    print(f"\n{conversations} conversation(s)\n  ours  {figures.ours}\n  floor {figures.kept}")
    assert 1000 * figures.ours.client_s / figures.ours.count < CLIENT_MS
    assert figures.ratio(figures.kept) < POSTGRES_RATIO
