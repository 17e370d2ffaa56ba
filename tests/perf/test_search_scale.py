"""Searches cost what their owner holds, however large the table is, and find what is nearest.

`make perf ARGS='tests/perf/test_search_scale.py -s'` prints a table for 1,000 and 100,000 rows;
`SEARCH_ROWS=1000,1000000` before it asks for others (a million: some 3 GB and ten minutes).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.search_scale import (
    GIANT,
    OTHER,
    ROWS_OF_OTHERS,
    cost_of,
    fill,
    insert_ms,
    sizes_mb,
    vector_recall,
)

if TYPE_CHECKING:
    from support.pg import Database, Databases
    from support.search_scale import SearchCost

SIZES = [int(rows) for rows in os.environ.get("SEARCH_ROWS", "1000,100000").split(",")]


@pytest.mark.perf
def test_searches_read_what_their_owner_holds_and_find_what_is_nearest(
    databases: Databases,
) -> None:
    for costs in [_measured(databases, rows) for rows in SIZES]:
        assert {cost.round_trips for cost in costs.values()} == {1}
        for table in ("messages", "passages"):
            # a text and its vector, each by an index: whatever others have
            assert costs[table, OTHER].pages < 6 * ROWS_OF_OTHERS


def _measured(databases: Databases, rows: int) -> dict[tuple[str, str], SearchCost]:
    database = databases.clone()
    try:
        print(f"\n{rows:,} messages and passages, filled in {fill(database.admin_uri, rows):.0f} s")
        return _costs(database, rows)
    finally:
        databases.drop(database)


def _costs(database: Database, rows: int) -> dict[tuple[str, str], SearchCost]:
    costs: dict[tuple[str, str], SearchCost] = {}
    for table in ("messages", "passages"):
        for agent_id, who in ((GIANT, "a fifth"), (OTHER, "one of many")):
            cost = costs[table, agent_id] = cost_of(database, table, agent_id, rounds=8)
            print(
                f"| {rows:,} | {table}, {who} | {cost.p50_ms:,.0f} | {cost.p95_ms:,.0f}"
                f" | {cost.cpu_ms:,.0f} | {cost.pages:,} |",
                flush=True,
            )
    for agent_id in (GIANT, OTHER):
        for tags in ((), ("kept",)):
            share = vector_recall(database, agent_id, tags=tags)
            print(f"nearest found: {agent_id}, tags {tags}: {share:.3f}", flush=True)
            assert share == 1.0
    for batch in (1, 200):
        wall_ms, cpu_ms = insert_ms(database.app_uri, 400, batch=batch)
        print(f"passages by {batch}: {wall_ms:.2f} ms each, CPU {cpu_ms:.2f} ms", flush=True)
    for table, table_mb, indexes_mb in sizes_mb(database.admin_uri):
        print(f"{table}: {table_mb:,.1f} MB, indexes {indexes_mb:,.1f} MB", flush=True)
    return costs
