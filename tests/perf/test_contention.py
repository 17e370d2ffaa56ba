"""All runs edit one shared block at the same moment, through a small pooler.

The large form: `make perf ARGS='tests/perf/test_contention.py -s'`
(or `pytest -m perf tests/perf/test_contention.py -s`): 200 runs over 200 connections,
15 server connections, a model that thinks for a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.bouncer import Bouncer, pgbouncer_program
from support.crowd import all_edit_one_block

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.crowd import Report
    from support.pg import Database, Databases


@pytest.fixture
def pooled(databases: Databases) -> Generator[Bouncer]:
    program = pgbouncer_program()
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    with Bouncer.started(program, databases.pg, pool_size=15) as started:
        yield started


def check(report: Report) -> None:
    print(report)
    assert report.stop_reasons == {"end_turn": report.runs}
    assert sorted(report.lines) == sorted(["start", *(f"line {n}" for n in range(report.runs))])
    assert report.versions == report.runs + 1


def test_twenty_runs_that_edit_one_block_at_once_lose_no_edit(
    fresh_database: Database, pooled: Bouncer
) -> None:
    uri = pooled.uri(fresh_database.app_uri)

    report = all_edit_one_block(uri, fresh_database.admin_uri, runs=20, latency_s=0.05)

    check(report)


@pytest.mark.perf
@pytest.mark.parametrize("latency_s", [1.0, 0.0])
def test_two_hundred_runs_that_edit_one_block_at_once_lose_no_edit(
    fresh_database: Database, pooled: Bouncer, latency_s: float
) -> None:
    uri = pooled.uri(fresh_database.app_uri)

    report = all_edit_one_block(uri, fresh_database.admin_uri, runs=200, latency_s=latency_s)

    check(report)
