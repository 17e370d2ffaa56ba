"""What a step costs as its conversation and its archive grow: it must stay flat.

The large form, with CPU: `make perf ARGS='tests/perf/test_growth.py -s'`
(or `pytest -m perf tests/perf/test_growth.py -s`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.growth import an_agent_with_a_past, as_row, cost_of_a_step

if TYPE_CHECKING:
    from support.growth import StepCost
    from support.pg import Database

# Numbers that grow in what is sent: places in a history of 10 or of 100 000 messages.
FEW_BYTES = 200


def measured(database: Database, sizes: list[tuple[int, int]], rounds: int) -> list[StepCost]:
    found = []
    for messages, passages in sizes:
        agent_id = an_agent_with_a_past(database.admin_uri, messages=messages, passages=passages)
        cost = cost_of_a_step(database.app_uri, database.admin_uri, agent_id, rounds=rounds)
        print(as_row(f"{messages} messages, {passages} passages", cost))
        found.append(cost)
    return found


def test_step_sends_and_reads_the_same_however_long_its_conversation_is(
    fresh_database: Database,
) -> None:
    short, long = measured(fresh_database, [(20, 0), (4_000, 0)], rounds=5)

    assert long.statements == short.statements == 2
    assert long.round_trips == short.round_trips == 2
    assert abs(long.bytes_sent - short.bytes_sent) < FEW_BYTES
    assert abs(long.bytes_received - short.bytes_received) < FEW_BYTES


@pytest.mark.perf
def test_step_costs_the_same_however_long_its_conversation_is(
    fresh_database: Database,
) -> None:
    sizes = [(10, 0), (1_000, 0), (100_000, 0), (10, 1_000), (10, 100_000)]

    costs = measured(fresh_database, sizes, rounds=400)

    assert {(found.statements, found.round_trips) for found in costs} == {(2, 2)}
    few, some, many = (found.bytes_sent + found.bytes_received for found in costs[:3])
    assert abs(many - some) < FEW_BYTES
    assert abs(some - few) < 2 * FEW_BYTES, "a summary more"
    cpu_ms = [1000 * found.cost.backend_s / found.cost.count for found in costs]
    assert cpu_ms[2] < 1.5 * cpu_ms[1] + 0.2
    # Passages are counted up to 10,001, which takes about as long as the rest of a step.
    assert cpu_ms[4] < 2.5 * cpu_ms[3]
