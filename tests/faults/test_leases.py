"""Leases in real time: how soon others go on after a worker died without a word."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from support.world import World, an_agent, an_order, history, new_id, value

from remanence.core.claims import Busy, Claimed
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.engine.sweep import sweep

if TYPE_CHECKING:
    from support.nursery import Nursery
    from support.pg import Database

LIMITS = {"step_limit_s": 0.6, "lease_margin_s": 0.4}
SWEEP_S = 0.2


def left_ms(database: Database, agent_id: str) -> float:
    """What is left of the lease, by the clock of the database."""
    return float(
        value(
            database.admin_uri,
            "select extract(epoch from lease_until - clock_timestamp()) * 1000"
            " from remanence.conversations where agent_id = %s",
            agent_id,
        )
    )


def conversation_of(database: Database, agent_id: str) -> str:
    return str(
        value(
            database.admin_uri,
            "select id from remanence.conversations where agent_id = %s",
            agent_id,
        )
    )


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_silent_death_costs_at_most_a_lease_and_a_sweep(
    fresh_database: Database, nursery: Nursery, how: str
) -> None:
    database = fresh_database
    agent_id = an_agent(database.admin_uri)
    job = nursery.run(
        {
            "do": "start",
            "uri": database.app_uri,
            "agent_id": agent_id,
            "text": "hi [[script: say hello]]",
            "deps": LIMITS,
            "die_at": 5,
            "how": how,
        }
    )
    job.wait()
    died = time.monotonic()
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("update remanence.runs set created_at = created_at - interval '1 min'")
    other = World.over(database.app_uri, **LIMITS)

    while history(database.admin_uri, agent_id)[-1][0] != "assistant":
        sweep(other.deps, share=1e9, deadline=time.monotonic() + 10)
        for conversation_id in other.bells.rung:
            other.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=time.monotonic() + 10)
        other.bells.rung.clear()
        time.sleep(SWEEP_S)

    recovered_s = time.monotonic() - died
    print(f"recovered after {recovered_s:.2f} s of a lease of {sum(LIMITS.values()):.1f} s")
    assert recovered_s < sum(LIMITS.values()) + SWEEP_S + 2.0
    assert history(database.admin_uri, agent_id) == [
        ("user", "hi [[script: say hello]]"),
        ("assistant", "hello"),
    ]
    other.close()


def test_lease_never_outlives_what_its_worker_may_still_do(database: Database) -> None:
    """A function that ends in two seconds must not hold a conversation for two minutes."""
    agent_id = an_agent(database.admin_uri)
    seen: list[float] = []

    def look(_point: object) -> None:
        if not seen:
            seen.append(left_ms(database, agent_id))

    def reach(point: object) -> None:
        if point == "after_claim":
            look(point)

    world = World.over(database.app_uri, reach=reach, lease_margin_s=1.0)

    list(
        world.engine.start(
            DEFAULT_ORG_ID,
            an_order(agent_id, "hi"),
            stream=False,
            deadline=time.monotonic() + 2.0,
        )
    )

    assert 2_000 < seen[0] <= 3_000
    world.close()


@pytest.mark.parametrize("skew_s", [-30, 30])
def test_clock_of_a_worker_does_not_move_the_lease(
    database: Database, nursery: Nursery, skew_s: int
) -> None:
    """A worker whose clock is wrong holds its lease as long as any other, and no longer."""
    agent_id = an_agent(database.admin_uri)
    nursery.run(
        {
            "do": "start",
            "uri": database.app_uri,
            "agent_id": agent_id,
            "text": "hi",
            "skew_s": skew_s,
            "deps": {"step_limit_s": 20.0},
            "die_at": 2,
        }
    ).wait()
    other = World.over(database.app_uri)
    conversation_id = conversation_of(database, agent_id)

    claim = other.deps.store.begin_step(
        DEFAULT_ORG_ID, conversation_id, lease_token=new_id("t"), lease_ms=1000
    )

    assert isinstance(claim, Busy)
    assert 25_000 < left_ms(database, agent_id) <= 30_000
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.conversations set lease_until = lease_until - interval '30 s'"
            " where id = %s",
            [conversation_id],
        )
    claim = other.deps.store.begin_step(
        DEFAULT_ORG_ID, conversation_id, lease_token=new_id("t"), lease_ms=1000
    )
    assert isinstance(claim, Claimed)
    other.close()
