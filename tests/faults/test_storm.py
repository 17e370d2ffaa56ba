"""The bounded form of `python -m support.storm`: a few hundred steps with a fault in each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from support.fault_bench import Bench
from support.lossy_proxy import LossyProxy
from support.storm import Storm

if TYPE_CHECKING:
    from support.nursery import Nursery
    from support.pg import Database

STEPS = 200


def test_storm_of_faults_loses_doubles_and_reorders_nothing(
    pooled_database: tuple[Database, str], nursery: Nursery
) -> None:
    database, uri = pooled_database
    bench, proxy = Bench(nursery, database.admin_uri, uri), LossyProxy(uri)
    bench.hire_behind(proxy.uri)

    seed = time.time_ns()
    tally = Storm(bench, proxy, seed).run(STEPS, time.monotonic() + 120)

    print(f"seed {seed}: {tally}")
    bench.close()
    proxy.close()
    assert tally.problems == []
    assert tally.steps >= tally.runs * 3
    assert tally.faults.total() >= STEPS
