"""How lists are read when there are many rows: from an index, and only the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.db.paging import Page
from remanence.db.queries import sql

if TYPE_CHECKING:
    from support.pg import Database

ROWS = 10_000
FILTERS: dict[str, dict[str, Any]] = {
    "list_agents": {
        "order_by": "created_at",
        "relations": [],
        "agent_name": None,
        "query_text": None,
        "project_id": None,
        "template_id": None,
        "base_template_id": None,
        "last_stop_reason": None,
        "block_id": None,
        "identity_id": None,
        "identifier_keys": None,
        "tags": None,
        "match_all_tags": False,
        "with_hidden": False,
    },
    "list_blocks": {
        "agent_id": None,
        "label": None,
        "label_search": None,
        "value_search": None,
        "description_search": None,
        "template_name": None,
        "project_id": None,
        "tags": None,
        "match_all_tags": False,
        "templates_only": False,
        "with_hidden": False,
        "agents_eq": None,
        "agents_gt": None,
        "agents_lt": None,
        "identity_id": None,
        "identifier_keys": None,
    },
}


@pytest.mark.parametrize(("name", "table"), [("list_agents", "agents"), ("list_blocks", "blocks")])
def test_list_reads_its_page_from_an_index(fresh_database: Database, name: str, table: str) -> None:
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as admin:
        middle = _fill(admin, table)
    pages = [Page(), Page(order="asc"), Page(after=middle), Page(before=middle, order="asc")]

    with psycopg.connect(fresh_database.app_uri, autocommit=True) as conn:
        for page in pages:
            plan = _plan(conn, name, page)
            executed = [line for line in plan if "never executed" not in line]
            assert f"{table}_org_created_idx" in "\n".join(executed), page
            assert not any(f"Seq Scan on {table}" in line for line in executed), page
            assert _most_rows(executed) <= page.limit + 1, page


def _fill(admin: psycopg.Connection, table: str) -> str:
    """Rows of one organization; returns the id of the one in the middle."""
    columns = {
        "agents": "name, agent_type, system, model, context_window_limit",
        "blocks": 'label, value, "limit"',
    }[table]
    values = {"agents": "'n', 'letta_v1_agent', 's', 'm/x', 1000", "blocks": "'l', 'v', 1000"}
    prefix = table.removesuffix("s")
    admin.execute(
        f"insert into remanence.{table} (id, org_id, created_at, {columns})"
        f" select '{prefix}-' || gen_random_uuid(), %s, now() - i * interval '1 second',"
        f" {values[table]} from generate_series(1, %s) as i",
        [DEFAULT_ORG_ID, ROWS],
    )
    admin.execute("analyze")
    row = admin.execute(
        f"select id from remanence.{table} order by created_at limit 1 offset %s",
        [ROWS // 2],
    ).fetchone()
    assert row is not None
    return str(row[0])


def _plan(conn: psycopg.Connection, name: str, page: Page) -> list[str]:
    with conn.transaction():
        conn.execute(sql("enter_org"), {"org_id": DEFAULT_ORG_ID})
        explained = conn.execute(
            b"explain (analyze, costs off, timing off, summary off) " + sql(name).encode(),
            page.params() | FILTERS[name],
        )
        return [line for (line,) in explained]


def _most_rows(plan: list[str]) -> int:
    return max(int(rows) for line in plan for rows in re.findall(r"actual rows=(\d+)", line))
